-- message: answer the state of a message, and why nothing may be sent in its place. It also notes that this waits, or was
-- sent. It answers too whether a send could go now, by consent, the budget and the way to Telnyx. Nothing is taken.
--
-- requires: admission budget consent message_state
-- Keys:   those of message_state, consent, budget and admission, <ns>:effect:<name>
-- ARGV:   message id, keep (ms), purpose ('read' | 'hold' | 'sent'), by (the event that asks; '' where nobody will send),
--         at (ms), names of the caller's encryption keys (JSON), what else is said of the message (JSON as for merge_message, or
--         ''), then for each recipient: forms of the number (JSON, that of today first), name of the effect that would send in
--         the message's place, and what would be sent (JSON; '': nothing would): {awake (else only consent is asked), since
--         (ms when the message was sent; -1: unknown), fresh_until (ms; -1: always), segments, limit, window (ms) of the budget, admission = asked of admission}
-- Answer: {missing keys, double_deliveries, {status, reason, right, held, effect} …}: double_deliveries = the
--         carriers (or 'unknown') of the recipients of whom this call found out that the message was delivered and something
--         was sent in its place too; for each
--         recipient the reason against sending (''), the event that holds the right to (''), since when it waits (ms, ''),
--         effect = 'sent' if this event's was carried out, 'perhaps' if it may have been; and of what would be sent {the ledger knows
--         the effect (1 | 0), opted out (1 | 0), keys that consent is hidden under and the caller lacks, answer of
--         room_in_budget, answer of look_ahead}: the last two are empty where something stands against it before
-- Cost:   O(recipients × (fields of the message + cost of admission))
local id, purpose, by, at, names = ARGV[1], ARGV[3], ARGV[4], ARGV[5], cjson.decode(ARGV[6])
local message = open_message(id)
local fields = message.fields
if ARGV[7] ~= '' then merge_message(message, cjson.decode(ARGV[7]), by) end

local recipients, double_deliveries, duplicated, answers = {}, {}, {}, {}
for i = 8, #ARGV, 3 do
  local forms = cjson.decode(ARGV[i])
  append(recipients, { forms, ARGV[i + 1], ARGV[i + 2] })
  merge_forms(message, forms)
  if purpose == 'hold' and not fields['held:' .. forms[1]] then set_field(message, 'held:' .. forms[1], at) end
  if purpose == 'sent' then set_field(message, 'sent:' .. forms[1], by) end
end

for field in pairs(fields) do
  local form = field:match('^sent:(.*)$')
  local state = form and recipient_state(fields, { form })
  if state and is_delivered(state.status) and not fields['double_delivery:' .. form] then
    double_deliveries[#double_deliveries + 1], duplicated[#duplicated + 1] = state.carrier or 'unknown', form
  end
end
save_message(message, ARGV[2])
-- Last, so that a repetition finds it out too.
for _, form in ipairs(duplicated) do redis.call('HSET', message.key, 'double_delivery:' .. form, '1') end

-- preflight: whether a message to a recipient could go now. `free`: the message's state does not stand against it.
local function preflight(forms, effect, known, wanted, state, free)
  local since = wanted.since >= 0 and wanted.since
  local missing = unreadable_consent(names)
  local found = { known and 1 or 0, opted_out(forms, since) and 1 or 0, missing, {}, {} }
  local too_old = wanted.fresh_until >= 0 and tonumber(state.held or at) > wanted.fresh_until
  if not free or not wanted.awake or too_old or #missing > 0 or found[2] == 1 then return found end
  found[4] = room_in_budget(effect, wanted.segments, wanted.limit, wanted.window)
  if found[4][1] == 1 then found[5] = look_ahead(wanted.admission, exact_now()) end
  return found
end

for _, each in ipairs(recipients) do
  local known = redis.call('HMGET', ns .. ':effect:' .. each[2], 'state', 'unconfirmed', 'version')
  local state, begun = recipient_state(fields, each[1]), is_begun(known[1], known[2])
  local mine = begun and state.right == by and (known[1] == 'started' and 'perhaps' or 'sent') or ''
  local reason = mine ~= '' and '' or reason_against(fields, state, by, begun)
  local sending = each[3] == '' and {}
    or preflight(each[1], each[2], known[3], cjson.decode(each[3]), state, reason == '' and mine ~= 'sent')
  answers[#answers + 1] = { state.status or '', reason, state.right or '', state.held or '', mine, sending }
end
return { missing_keys(fields, names), double_deliveries, unpack(answers) }
