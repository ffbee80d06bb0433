-- replay: process ended events once more, against the ledger; or only say what that would come to. Without a handler's name
-- the handlers are those that are subscribed by then; with one, it alone runs. An open event stays unchanged.
--
-- requires: handlers run_again settle unresolved_effects
-- Keys:   those of settle, note, fates and anew
-- ARGV:   handler ('': all), again ('1': that handler's effects are forgotten, and so may happen again, also those of
--         unknown fate), trusted ('1': imported events too), act ('1' | '0': only say), then ids (at most 500)
-- Answer: for each id {verdict, effects that are forgotten}: 'replayed' | 'open' | 'gone' | 'no_body' | 'foreign' | 'imported'
--         | 'cancelled' | 'in_doubt' (an effect is of unknown fate)
-- Cost:   O(ids × (record + effects + log queue))
local only, again, trusted, act = ARGV[1], ARGV[2] == '1', ARGV[3] == '1', ARGV[4] == '1'

local function contains(names, wanted)
  for _, name in ipairs(names) do
    if name == wanted then return true end
  end
  return false
end

-- rerun_one: the others stay as they ended
local function rerun_one(event, names, what)
  local more = {}
  if not contains(names, only) then
    local all = { unpack(names) }
    all[#all + 1] = only
    more = { 'handlers', cjson.encode(all) }
  end
  rerun_handlers(event, { only }, what, more)
end

-- rerun_all: the handlers are fixed anew when it is claimed
local function rerun_all(event, names, what)
  rerun_handlers(event, names, what, { 'due', now })
  redis.call('HDEL', event, 'handlers')
end

local function replay(id)
  local event = ns .. ':event:' .. id
  local state = redis.call('HGET', event, 'state')
  if not state then return { 'gone', 0 } end
  if state == 'open' then return { 'open', 0 } end
  local why_not = why_not_rerunnable(event, trusted)
  if why_not then return { why_not, 0 } end
  if not again and count_unconfirmed(id) > 0 then return { 'in_doubt', 0 } end
  local forgotten = again and reset_effects(id, only, act) or 0
  if not act then return { 'replayed', forgotten } end
  local what = again and 'replayed_again' or 'replayed'
  local names = names_of(redis.call('HGET', event, 'handlers') or '[]') or {}
  if is_half_rerun(event) then
    if only == '' then redis.call('HDEL', event, 'handlers') end
  elseif only ~= '' then
    rerun_one(event, names, what)
  else
    rerun_all(event, names, what)
  end
  settle(id)
  return { 'replayed', forgotten }
end

local answers = {}
for i = 5, #ARGV do answers[#answers + 1] = replay(ARGV[i]) end
return answers
