-- job_list: add ids to the list of a bulk job's events.
--
-- Keys:   <ns>:job_ids:<id>
-- ARGV:   id of the job, ids (at most 1,000)
-- Answer: how many are listed
-- Cost:   O(ids)
return redis.call('RPUSH', ns .. ':job_ids:' .. ARGV[1], unpack(ARGV, 2))
