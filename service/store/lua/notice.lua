-- notice: note something that a person should know. A worker sends it at once where its cause is new. Else it waits for the
-- end of the pause after the last message, together with all news of that cause.
--
-- Keys:   <ns>:notices, <ns>:notice:<cause>
-- ARGV:   cause, entry (what to tell), most (entries told apart; the rest is counted), pause (ms; the shortest)
-- Answer: 1 if the entry is news, 0 if the latest message about this cause told it
-- Cost:   O(log causes)
local cause, entry, most, pause = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local notices, notice = ns .. ':notices', ns .. ':notice:' .. cause
local news = redis.call('HEXISTS', notice, 'sent:' .. entry) == 0
local separate = redis.call('HEXISTS', notice, 'new:' .. entry) == 1 or redis.call('HLEN', notice) < most
local due = redis.call('ZSCORE', notices, cause)
if not due then
  redis.call('ZADD', notices, now, cause)
elseif news and redis.call('HEXISTS', notice, 'taken') == 0 then
  -- A cause that only repeats is sent ever more rarely. News of it need not wait for that.
  local soonest = (redis.call('HGET', notice, 'sent_at') or now) + pause
  redis.call('ZADD', notices, 'LT', soonest, cause)
end
-- Last, so that a repetition after a failure counts once.
redis.call('HINCRBY', notice, separate and 'new:' .. entry or 'others', 1)
return news and 1 or 0
