-- delivery_failure: count the failure that an event reports, once, among those of its code and sender.
--
-- Keys:   <ns>:delivery_failures:<digest>
-- ARGV:   digest of code and sender, id of the event, window (ms), most (failures that are kept)
-- Answer: the failures within the window, at most `most`
-- Cost:   O(log most + failures that have lapsed)
local key, id, window, most = ns .. ':delivery_failures:' .. ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
-- The first time counts, so that a repetition after a failure changes nothing.
redis.call('ZADD', key, 'NX', now, id)
redis.call('PEXPIRE', key, window)
redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
return redis.call('ZCARD', key)
