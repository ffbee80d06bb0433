-- replay: process ended events once more, against the ledger, or only count the effects of that. With a handler's name it
-- alone runs. Without, all run that are subscribed by then. An open event stays unchanged.
--
-- requires: effects handlers reset_effects run_again settle
-- Keys:   those of settle and reset_effects
-- ARGV:   operator, handler ('': all), again ('1': that handler's effects are forgotten, and so may happen again, also those of
--         unknown fate), trusted ('1': imported events too), act ('1' | '0': only answer), before ('' | ms: only events that ended
--         by then), then ids (at most 500)
-- Answer: for each id {verdict, effects that are forgotten}: 'replayed' | 'open' | 'gone' | 'no_body' | 'foreign' | 'imported'
--         | 'cancelled' | 'damaged' | 'since' (it ended later) | 'in_doubt' (an effect is of unknown fate)
-- Cost:   O(ids × (record + effects × log reservations + log queue))
local by, only, again, trusted, act = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4] == '1', ARGV[5] == '1'
local before = tonumber(ARGV[6])

-- rerun: let one handler run, while the others stay as they ended, or all. In the latter case they are fixed anew when the
-- event is claimed.
local function rerun(event, what)
  local names, listed = { unpack(handlers_of(event)) }, false
  if only == '' then return rerun_handlers(event, names, what, by, { 'due', now }) end
  for _, name in ipairs(names) do listed = listed or name == only end
  if not listed then append(names, only) end
  rerun_handlers(event, { only }, what, by, not listed and { 'handlers', cjson.encode(names) } or nil)
end

return answer_each(7, function(id)
  local event = event_key(id)
  if is_no_record(event) then return { 'damaged', 0 } end
  local state = redis.call('HGET', event, 'state')
  local why_not = not state and 'gone' or state == 'open' and 'open'
    or ended_since(event, before) and 'since' or why_not_rerunnable(event, trusted)
  if not why_not and not again and count_unconfirmed(id) > 0 then why_not = 'in_doubt' end
  if why_not then return { why_not, 0 } end
  local forgotten = again and reset_effects(id, only, act) or 0
  if act then
    if not is_half_rerun(event) then rerun(event, again and 'replayed_again' or 'replayed') end
    if only == '' then redis.call('HDEL', event, 'handlers') end
    settle(id)
  end
  return { 'replayed', forgotten }
end)
