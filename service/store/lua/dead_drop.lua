-- dead_drop: delete dead events for good, and lower both sides of the sum in the same step. One that is not dead (any more) is
-- left unchanged.
--
-- requires: delete_event handlers
-- Keys:   those of delete_event, <ns>:dead
-- ARGV:   handler, reason ('': any), then ids (at most 500)
-- Answer: for each id: 'dropped' | 'not_dead' | 'other' (no handler of this name died for this reason) | 'gone'
-- Cost:   O(ids × (record + effects + log events))
return answer_each(3, function(id)
  local state = redis.call('HGET', event_key(id), 'state')
  -- Of one that is gone the index may still tell: it was dropped half-way.
  if not state then redis.call('ZREM', ns .. ':dead', id) end
  if state ~= 'dead' then return state and 'not_dead' or 'gone' end
  if #dead_handlers(event_key(id), ARGV[1], ARGV[2]) == 0 then return 'other' end
  delete_event(id)
  return 'dropped'
end)
