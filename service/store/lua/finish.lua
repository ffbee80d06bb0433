-- finish: record how handlers ended and, if asked, give leases back; many events at once. Without the
-- lease nothing of an event is recorded.
--
-- requires: lease settle
-- Keys:   those of settle and lease
-- ARGV:   for each event: id, token, release ('1' | '0'), number of handlers, then name, JSON for each of those
-- Answer: for each event its state, or 'lost'
-- Cost:   O(events × (handlers + log queue))
local answers = {}
local i = 1
while i <= #ARGV do
  local id, token, release, count = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', tonumber(ARGV[i + 3])
  local event = ns .. ':event:' .. id
  local f = redis.call('HMGET', event, 'lease', 'lease_until')
  if f[1] ~= token or tonumber(f[2]) <= now then
    answers[#answers + 1] = 'lost'
  else
    local fields = {}
    for j = i + 4, i + 3 + 2 * count, 2 do fields[#fields + 1], fields[#fields + 2] = 'h:' .. ARGV[j], ARGV[j + 1] end
    if count > 0 then redis.call('HSET', event, unpack(fields)) end
    if release and count > 0 then redis.call('HDEL', event, 'lapses', 'lapse_tokens') end
    answers[#answers + 1] = settle(id, false, release)
    -- Last, so that the lease's holder can repeat a call that failed half-way.
    if release then release_lease(id, token) end
  end
  i = i + 4 + 2 * count
end
return answers
