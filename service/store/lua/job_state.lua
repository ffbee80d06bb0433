-- job_state: cancel a bulk job, or let a cancelled one go on where it stopped.
--
-- Keys:   <ns>:job:<id>, <ns>:job_ids:<id>, <ns>:jobs_due
-- ARGV:   id of the job, 'cancel' | 'resume'
-- Answer: the state before: 'collecting' | 'running' | 'cancelled' | 'done' | 'gone'
-- Cost:   O(1)
local job, ids, due = ns .. ':job:' .. ARGV[1], ns .. ':job_ids:' .. ARGV[1], ns .. ':jobs_due'
local KEPT = 7 * 86400000
local f = redis.call('HMGET', job, 'state', 'collected')
local state = f[1] or 'gone'
if ARGV[2] == 'cancel' and (state == 'running' or state == 'collecting') then
  redis.call('PEXPIRE', job, KEPT)
  redis.call('PEXPIRE', ids, KEPT)
  redis.call('ZREM', due, ARGV[1])
  redis.call('HSET', job, 'state', 'cancelled', 'ended_at', now)
elseif ARGV[2] == 'resume' and state == 'cancelled' then
  redis.call('PERSIST', job)
  redis.call('PERSIST', ids)
  redis.call('HDEL', job, 'ended_at', 'runner', 'runner_until')
  redis.call('ZADD', due, now, ARGV[1])
  redis.call('HSET', job, 'state', f[2] and 'running' or 'collecting')
end
return state
