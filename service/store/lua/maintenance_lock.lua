-- maintenance_lock: let one worker at a time do the maintenance. Its holder keeps the lock by asking again in time.
--
-- Keys:   <ns>:maintenance
-- ARGV:   worker, for how long (ms)
-- Answer: 1 if this worker has it, else 0
-- Cost:   O(1)
local key = ns .. ':maintenance'
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
return 1
