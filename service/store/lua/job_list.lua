-- job_list: add ids to the list of a bulk job's events. It is kept as long as the job, and for a day if there is none. The
-- process that creates the job may be killed before.
--
-- Keys:   <ns>:job:<id>, <ns>:job_ids:<id>
-- ARGV:   id of the job, ids (at most 1,000)
-- Answer: how many are listed
-- Cost:   O(ids)
local ids, state = ns .. ':job_ids:' .. ARGV[1], redis.call('HGET', ns .. ':job:' .. ARGV[1], 'state')
local DAY, KEPT = 86400000, 7 * 86400000
local number = redis.call('RPUSH', ids, unpack(ARGV, 2))
if not state or state == 'cancelled' then redis.call('PEXPIRE', ids, state and KEPT or DAY) end
return number
