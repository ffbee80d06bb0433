-- dead_retry: let dead handlers of dead events run again, against the ledger: nothing is sent twice. An event that is not
-- dead (any more) stays unchanged, so that a repetition is harmless.
--
-- requires: causes effects handlers note run_again settle
-- Keys:   those of settle, causes, note and effects
-- ARGV:   operator, word on effects of unknown fate ('' | 'sent' | 'not_sent'), answer (see effects_resolve), handler, reason ('': any),
--         trusted ('1': imported events too), before ('' | ms: only events that ended by then), then ids (at most 500)
-- Answer: for each id: 'retried' | 'not_dead' | 'other' (no handler of this name died for this reason) | 'gone' | 'no_body' |
--         'foreign' | 'imported' | 'cancelled' | 'damaged' | 'since' (it ended later) | 'in_doubt' (an effect is of unknown fate, and no word
--         was given)
-- Cost:   O(ids × (record + effects + log queue))
local by, word, answer, wanted, reason, trusted = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
local before = tonumber(ARGV[7])

return answer_each(8, function(id)
  local event = event_key(id)
  if is_no_record(event) then return 'damaged' end
  local state = redis.call('HGET', event, 'state')
  if state ~= 'dead' then return state and 'not_dead' or 'gone' end
  local why_not = ended_since(event, before) and 'since' or why_not_rerunnable(event, trusted)
  if why_not then return why_not end
  if not is_half_rerun(event) then
    local names = dead_of_cause(event, wanted, reason)
    if #names == 0 then return 'other' end
    if word == '' and count_unconfirmed(id) > 0 then return 'in_doubt' end
    if word ~= '' and resolve_effects(id, word, answer) > 0 then note(id, word, nil, by) end
    for _, entry in ipairs(entries_of(id)) do
      local f = redis.call('HMGET', entry, 'state', 'version')
      -- A refusal of Telnyx may be asked for once more, also where the recipient's STOP was the reason.
      if f[1] == 'refused' then redis.call('HSET', entry, 'state', 'withdrawn', 'version', tonumber(f[2] or '0') + 1) end
    end
    rerun_handlers(event, names, 'retried', by)
  end
  -- No handler had begun this imported event: a claim fixes those that are subscribed. A half-way retry ends here too.
  if redis.call('HGET', event, 'handlers') == '["import"]' then redis.call('HDEL', event, 'handlers', 'h:import') end
  settle(id)
  return 'retried'
end)
