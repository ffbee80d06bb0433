-- job_create: begin a bulk job. Its creator has it for ten seconds. Later a worker takes it.
--
-- Keys:   <ns>:job:<id>, <ns>:job_ids:<id>, <ns>:jobs, <ns>:jobs_due
-- ARGV:   id of the job, then field, value …
-- Answer: when it was created (ms)
-- Cost:   O(fields + log jobs)
local id = ARGV[1]
local HELD = 10000
redis.call('PERSIST', ns .. ':job_ids:' .. id)
redis.call('ZADD', ns .. ':jobs_due', now + HELD, id)
redis.call('ZADD', ns .. ':jobs', now, id)
-- Last: one that failed half-way is no job. Its creator asks again, and a worker removes its place.
redis.call('HSET', ns .. ':job:' .. id, 'created_at', now, unpack(ARGV, 2))
return now
