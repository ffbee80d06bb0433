-- issue_history: when the events died that are dead for some causes. It counts them in equal spans of time, up to now.
--
-- requires: causes
-- Keys:   <ns>:died:<digest>; none is written
-- ARGV:   length of a span (ms), number of spans, then digests (at most 50 × 24 spans)
-- Answer: for each digest the numbers, the oldest span first
-- Cost:   O(digests × spans × log events)
local span, number = tonumber(ARGV[1]), tonumber(ARGV[2])
return answer_each(3, function(digest)
  local counts = {}
  for i = 1, number do
    local from = now - (number - i + 1) * span
    counts[i] = redis.call('ZCOUNT', died_key(digest), '(' .. string.format('%.0f', from), string.format('%.0f', from + span))
  end
  return counts
end)
