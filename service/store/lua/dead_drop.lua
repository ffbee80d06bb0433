-- dead_drop: forget dead events for good, and lower both sides of the sum in the same step. One that is not dead (any more) is
-- left unchanged.
--
-- requires: dead_handlers delete_event
-- Keys:   those of forget, <ns>:dead
-- ARGV:   handler, reason ('': any), then ids (at most 500)
-- Answer: for each id: 'dropped' | 'not_dead' | 'other' (no handler of this name died for this reason) | 'gone'
-- Cost:   O(ids × (record + effects + log events))
local wanted, reason = ARGV[1], ARGV[2]

local answers = {}
for i = 3, #ARGV do
  local event = ns .. ':event:' .. ARGV[i]
  local state = redis.call('HGET', event, 'state')
  if state ~= 'dead' then
    -- Of one that is gone the index may still tell: it was dropped half-way.
    if not state then redis.call('ZREM', ns .. ':dead', ARGV[i]) end
    answers[#answers + 1] = state and 'not_dead' or 'gone'
  elseif #dead_handlers(event, wanted, reason) == 0 then
    answers[#answers + 1] = 'other'
  else
    delete_event(ARGV[i])
    answers[#answers + 1] = 'dropped'
  end
end
return answers
