-- quarantine: keep a job that is in our queue and nobody's, as a dead event with a reason.
--
-- Keys:   those of settle, <ns>:events, arq:in-progress:<job>
-- ARGV:   ns, job id, reason, error (words for a person)
-- Answer: 1, or 0 where the job has left the queue meanwhile
-- Cost:   O(log queue + size of the job's data)
local ns, job, reason, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
local id = 'foreign:' .. job
local event = ns .. ':event:' .. id
if not redis.call('ZSCORE', ns .. ':queue', job) then return 0 end
local blob = redis.call('GET', 'arq:job:' .. job) or ''
redis.call('ZREM', ns .. ':queue', job)
redis.call('DEL', 'arq:job:' .. job, 'arq:retry:' .. job, 'arq:in-progress:' .. job)
if redis.call('EXISTS', event) == 0 then
  redis.call('ZADD', ns .. ':events', now, id)
  redis.call('HINCRBY', ns .. ':counts', 'accepted', 1)
end
redis.call('HSET', event, 'type', 'ringback.foreign_job', 'body', blob, 'arrived_by', 'queue', 'received_at', now, 'due', now,
  'deliveries', 1, 'handlers', '["queue"]',
  'h:queue', cjson.encode({ state = 'dead', reason = reason, error = said, attempts = 0, ended_at = now }))
settle(ns, id, now)
return 1
