-- sms_budget: whether segments can be had; nothing is taken. They are reserved by the script that writes the intent.
--
-- requires: budget
-- Keys:   those of budget, <ns>:sms_budget:told
-- ARGV:   effect, segments, limit, window (ms)
-- Answer: {can be had (1 | 0), ms until the earliest reservation lapses, 1 if a person is to be told, which is once per window}
-- Cost:   O(reservations that have lapsed × log reservations)
local effect, segments, limit, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if budget_has_room(effect, segments, limit, window) then return { 1, 0, 0 } end
local earliest = redis.call('ZRANGE', ns .. ':sms_budget', 0, 0, 'WITHSCORES')
local wait = earliest[2] and tonumber(earliest[2]) + window - now or window
local tell = redis.call('SET', ns .. ':sms_budget:told', '1', 'NX', 'PX', window) and 1 or 0
return { 0, wait, tell }
