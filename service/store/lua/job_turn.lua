-- job_turn: one turn of who carries out a bulk job. It counts the results of the turn before, and answers the next ids. They are
-- listed when the job begins, and counted by their place. So the repetition of a turn counts nothing twice.
--
-- requires: live_workers
-- Keys:   <ns>:job:<id>, <ns>:job_ids:<id>, <ns>:jobs_due, <ns>:queue, <ns>:workers
-- ARGV:   id of the job, runner (a random name), for how long it has the job (ms), place that the results begin at, number of
--         results, results (JSON: verdict → number), ids wanted (at most 100), due events from which on it waits (-1: never)
-- Answer: {'go', place, total, id, id …} | {'wait', place, total} | {'collect'} | {'taken'} | {state of an ended job}
-- Cost:   O(ids + log queue)
local id, runner, lease, place, number = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local results, wanted, most_due = cjson.decode(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local job, ids, due = ns .. ':job:' .. id, ns .. ':job_ids:' .. id, ns .. ':jobs_due'
local KEPT = 7 * 86400000
local f = redis.call('HMGET', job, 'state', 'done', 'runner', 'runner_until')
local state, done = f[1] or 'gone', tonumber(f[2]) or 0

-- A cancelled job still counts what its last turn did.
if number > 0 and place == done then
  local fields = { 'done', done + number }
  for verdict, more in pairs(results) do
    append(fields, 'v:' .. verdict, (tonumber(redis.call('HGET', job, 'v:' .. verdict)) or 0) + more)
  end
  redis.call('HSET', job, unpack(fields))
  done = done + number
end
if state ~= 'running' and state ~= 'collecting' then return { state } end
if f[3] and f[3] ~= runner and (tonumber(f[4]) or 0) > now then return { 'taken' } end
redis.call('HSET', job, 'runner', runner, 'runner_until', now + lease)
redis.call('ZADD', due, now + lease, id)
if state == 'collecting' then return { 'collect' } end
local total = redis.call('LLEN', ids)
if done >= total then
  redis.call('PEXPIRE', job, KEPT)
  redis.call('DEL', ids)
  redis.call('ZREM', due, id)
  redis.call('HSET', job, 'state', 'done', 'ended_at', now)
  return { 'done' }
end
-- New events wait behind those that a job makes due. Without a worker, nobody waits.
if most_due >= 0 and redis.call('ZCOUNT', ns .. ':queue', '-inf', now) >= most_due and live_workers() > 0 then
  return { 'wait', done, total }
end
return { 'go', done, total, unpack(redis.call('LRANGE', ids, done, done + wanted - 1)) }
