-- issues: the causes of death that dead events have, and those that an operator gave a state.
--
-- requires: causes
-- Keys:   <ns>:causes, <ns>:died:<digest>, <ns>:issues; none is written
-- Answer: for each {digest, cause (JSON), dead events, the last death (ms, '' without dead events), id of that event,
--         state (JSON, '' for none)}
-- Cost:   O(causes × log events), a few milliseconds for 1000 causes
local answer, states = {}, {}
local stored = redis.call('HGETALL', ns .. ':issues')
for i = 1, #stored, 2 do states[stored[i]] = stored[i + 1] end
local causes = redis.call('HGETALL', ns .. ':causes')
for i = 1, #causes, 2 do
  local digest = causes[i]
  local last = redis.call('ZRANGE', died_key(digest), -1, -1, 'WITHSCORES')
  if last[1] or states[digest] then
    local number = redis.call('ZCARD', died_key(digest))
    append(answer, { digest, causes[i + 1], number, last[2] or '', last[1] or '', states[digest] or '' })
  end
end
return answer
