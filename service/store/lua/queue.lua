-- queue: how long the queue is, and how long it keeps due events waiting. What is leased, timed or put off is not due.
--
-- Keys:   <ns>:queue; none is written
-- ARGV:   ns
-- Answer: {jobs in the queue, jobs that are due, ms since the first of those came due (0 where there is none)}
-- Cost:   O(log queue)
local queue = ARGV[1] .. ':queue'
local now = now_ms()
local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
local age = first[2] and math.max(0, now - tonumber(first[2])) or 0
return { redis.call('ZCARD', queue), redis.call('ZCOUNT', queue, '-inf', now), age }
