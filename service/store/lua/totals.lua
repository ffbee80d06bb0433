-- totals: the counters beside the sizes of the indexes that they count. They are read in one moment, so they agree at any
-- time, under any load.
--
-- Keys:   <ns>:counts, <ns>:events, <ns>:ended, <ns>:dead; none is written
-- Answer: {accepted, done, ignored, dead, open, events, ended, dead events}: five counters, then the sizes of three indexes
-- Cost:   O(1)
local answer = {}
for i, counter in ipairs(redis.call('HMGET', ns .. ':counts', 'accepted', 'done', 'ignored', 'dead', 'open')) do
  answer[i] = tonumber(counter) or 0
end
for _, index in ipairs({ ':events', ':ended', ':dead' }) do
  answer[#answer + 1] = redis.call('ZCARD', ns .. index)
end
return answer
