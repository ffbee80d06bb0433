-- body_seals: by which encryption keys the bodies of events are sealed.
--
-- Keys:   <ns>:event:<id>
-- ARGV:   ids (at most 500)
-- Answer: for each body: the name of its key, '' where it is not sealed
-- Cost:   O(ids), and a copy of each body within the server
local answers = {}
for i = 1, #ARGV do
  local event = ns .. ':event:' .. ARGV[i]
  local f = redis.call('TYPE', event).ok == 'hash' and redis.call('HMGET', event, 'body', 'arrived_by') or {}
  -- The job of another application is kept unsealed.
  if f[1] and f[2] ~= 'queue' then
    local name = {}
    if f[1]:byte(1) == 1 then for at = 2, 5 do name[#name + 1] = string.format('%02x', f[1]:byte(at) or 0) end end
    answers[#answers + 1] = table.concat(name)
  end
end
return answers
