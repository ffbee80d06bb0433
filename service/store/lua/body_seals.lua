-- body_seals: by which encryption keys the bodies of events are sealed.
--
-- Keys:   <ns>:event:<id>; none is written
-- ARGV:   ids (at most 500)
-- Answer: for each body: the name of its key, '' where it is not sealed
-- Cost:   O(ids), and a copy of each body within the server
local answers = {}
for _, id in ipairs(ARGV) do
  local event = event_key(id)
  local f = redis.call('TYPE', event).ok == 'hash' and redis.call('HMGET', event, 'body', 'arrived_by') or {}
  -- The job of another application is kept unsealed.
  if f[1] and f[2] ~= 'queue' then
    append(answers, f[1]:byte(1) == 1 and f[1]:sub(2, 5):gsub('.', function(each) return ('%02x'):format(each:byte()) end) or '')
  end
end
return answers
