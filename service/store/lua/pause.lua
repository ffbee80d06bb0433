-- pause: stop one handler, or all. Their due events are parked, and never probed.
--
-- Keys:   <ns>:block:<name>, <ns>:blocks, <ns>:paused
-- ARGV:   name of the block, handler ('*': all), detail, advice
-- Answer: 1 if it was not paused before, else 0
-- Cost:   O(1)
if redis.call('SISMEMBER', ns .. ':paused', ARGV[2]) == 1 then return 0 end
redis.call('HSET', ns .. ':block:' .. ARGV[1], 'since', now, 'probe_at', -1, 'interval', 0, 'longest', 0, 'detail', ARGV[3],
  'advice', ARGV[4])
redis.call('SADD', ns .. ':blocks', ARGV[1])
-- Last: a pause that failed half-way is none, and may be asked for again.
return redis.call('SADD', ns .. ':paused', ARGV[2])
