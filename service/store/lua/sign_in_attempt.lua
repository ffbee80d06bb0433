-- sign_in_attempt: count an attempt to sign in, also where the memory is full.
--
-- Keys:   <ns>:sign_ins:<digest>
-- ARGV:   digest of whom it is about, for how long the first attempt counts (s)
-- Answer: how many there were since the first one
-- Cost:   O(1)
local key = ns .. ':sign_ins:' .. ARGV[1]
-- The expiry comes first, so that no count is left without one.
redis.call('SET', key, 0, 'NX', 'EX', ARGV[2])
return redis.call('INCRBY', key, 1)
