-- job_state: cancel a bulk job, let a cancelled or ready one go on, or say that its events are listed.
--
-- Keys:   <ns>:job:<id>, <ns>:job_ids:<id>, <ns>:jobs_due
-- ARGV:   id of the job, 'cancel' | 'resume' | 'running' | 'ready', and for the last two: number of the events that are listed,
--         results of those that are not (JSON: verdict → number)
-- Answer: the state before: 'collecting' | 'ready' | 'running' | 'cancelled' | 'done' | 'gone'
-- Cost:   O(1)
local id, wanted = ARGV[1], ARGV[2]
local job, ids, due = ns .. ':job:' .. id, ns .. ':job_ids:' .. id, ns .. ':jobs_due'
local KEPT = 7 * 86400000
local f = redis.call('HMGET', job, 'state', 'collected')
local state = f[1] or 'gone'

-- rest: leave a job to a person, who may forget it
local function rest()
  redis.call('PEXPIRE', job, KEPT)
  redis.call('PEXPIRE', ids, KEPT)
  redis.call('ZREM', due, id)
end

if wanted == 'cancel' and (state == 'running' or state == 'collecting' or state == 'ready') then
  rest()
  redis.call('HSET', job, 'state', 'cancelled', 'ended_at', now)
elseif wanted == 'resume' and (state == 'cancelled' or state == 'ready') then
  redis.call('PERSIST', job)
  redis.call('PERSIST', ids)
  redis.call('HDEL', job, 'ended_at', 'runner', 'runner_until')
  redis.call('ZADD', due, now, id)
  redis.call('HSET', job, 'state', f[2] and 'running' or 'collecting')
elseif (wanted == 'running' or wanted == 'ready') and state == 'collecting' then
  local fields = { 'collected', ARGV[3], 'state', wanted }
  for verdict, number in pairs(cjson.decode(ARGV[4])) do append(fields, 'v:' .. verdict, number) end
  if wanted == 'ready' then rest() end
  redis.call('HSET', job, unpack(fields))
end
return state
