-- rates: how many events were accepted, ended well, and died in each of the last spans of time.
--
-- Keys:   <ns>:events, <ns>:ended, <ns>:dead; none is written
-- ARGV:   length of a span (ms), how many (at most 500)
-- Answer: for each {begin (ms), accepted, done or ignored, dead}, the oldest first. The last span is not over.
-- Cost:   O(spans × log events)
local length, number = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest, answer = math.floor(now / length), {}
for span = newest - number + 1, newest do
  local row = { span * length }
  local from, to = string.format('%.0f', span * length), string.format('(%.0f', (span + 1) * length)
  for _, index in ipairs({ ':events', ':ended', ':dead' }) do append(row, redis.call('ZCOUNT', ns .. index, from, to)) end
  append(answer, row)
end
return answer
