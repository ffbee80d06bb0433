-- dead_drop: delete dead events for good, and lower both sides of the sum in the same step. One that is not dead (any more) is
-- left unchanged.
--
-- requires: causes delete_event handlers
-- Keys:   those of causes and delete_event, <ns>:dead, <ns>:dropped:<id>
-- ARGV:   operator, handler, reason ('': any), for how long healing does not raise them again (ms), before ('' | ms: only events
--         that ended by then), then ids (at most 500)
-- Answer: for each id: 'dropped' | 'not_dead' | 'other' (no handler of this name died for this reason) | 'gone' | 'damaged' |
--         'since' (it ended later)
-- Cost:   O(ids × (record + effects + log events))
local by, wanted, reason, keep, before = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

-- remember_drop: leave the id, so that healing does not raise the event again, with the time and the operator. Content without
-- an id of its own may come again. So it leaves the time of its arrival, or of its first attempt if it was healed.
local function remember_drop(id)
  local identity, at = id:match('^(sha256:%x+)%.?(%d*)$')
  local key = ns .. ':dropped:' .. (identity or id)
  if identity then
    redis.call('APPEND', key, (at ~= '' and at or redis.call('HGET', event_key(id), 'received_at') or '0') .. ';')
  else
    redis.call('SET', key, string.format('%.0f ', now) .. by)
  end
  redis.call('PEXPIRE', key, keep)
end

return answer_each(6, function(id)
  if is_no_record(event_key(id)) then return 'damaged' end
  local state = redis.call('HGET', event_key(id), 'state')
  -- Of one that is gone the index may still tell: it was dropped half-way.
  if not state then redis.call('ZREM', ns .. ':dead', id) end
  if state ~= 'dead' then return state and 'not_dead' or 'gone' end
  if ended_since(event_key(id), before) then return 'since' end
  if #dead_of_cause(event_key(id), wanted, reason) == 0 then return 'other' end
  remember_drop(id)
  delete_event(id)
  return 'dropped'
end)
