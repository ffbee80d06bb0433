-- upkeep_lock: let one worker at a time do the upkeep; whoever has the lock keeps it by asking again in time.
--
-- Keys:   <ns>:upkeep
-- ARGV:   ns, worker, for how long (ms)
-- Answer: 1 if this worker has it, else 0
-- Cost:   O(1)
local key = ARGV[1] .. ':upkeep'
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return 1
