-- reply: may this answer be given? Two machines may be talking to each other, or the hour's budget may be used up. The budget
-- is reserved by the script that writes the intent.
--
-- requires: budget
-- Keys:   <ns>:replies:<number> (sorted set: effects by time, ms), those of budget
-- ARGV:   effect key (the same in each run of a handler for an event), limit, window (ms), budget, then the forms of
--         the number, that of today first
-- Answer: '' if the answer may be given, else 'loop' or 'over_budget'
-- Cost:   O(forms × log answers)
local given, window = 0, tonumber(ARGV[3])
for i = 5, #ARGV do
  local key = ns .. ':replies:' .. ARGV[i]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  if redis.call('ZSCORE', key, ARGV[1]) then
    redis.call('PEXPIRE', key, window, 'NX')
    return ''
  end
  given = given + redis.call('ZCARD', key)
end
if given >= tonumber(ARGV[2]) then return 'loop' end
if not replies_have_room('', tonumber(ARGV[4]), window) then return 'over_budget' end
redis.call('ZADD', ns .. ':replies:' .. ARGV[5], now, ARGV[1])
redis.call('PEXPIRE', ns .. ':replies:' .. ARGV[5], window)
return ''
