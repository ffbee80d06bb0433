-- message: answer what is known of a message, and why nothing may be sent in its place; note that this waits, or went out.
--
-- requires: message_state
-- Keys:   those of message_state, <ns>:effect:<name>
-- ARGV:   message id, keep (ms), purpose ('look' | 'hold' | 'sent'), by (the event that asks; '' where nobody will send),
--         at (ms), names of the caller's encryption keys (JSON), what else is said of the message (JSON as for merge_message, or
--         ''), then for each recipient: forms of the number (JSON, that of today first), name of the effect that would send in
--         the message's place
-- Answer: {missing keys, doubled, {status, reason, right, held, begun} …}: doubled = the carriers (or 'unknown') of the recipients
--         of whom this call found out that the message was delivered and something was sent in its place too; for each
--         recipient the reason against sending (''), the event that holds the right to (''), since when it waits (ms, ''),
--         begun = '1' if this event's effect was carried out, or may have been
-- Cost:   O(recipients × fields of the message)
local id, purpose, by, at = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local key = message_key(id)
if ARGV[7] ~= '' then merge_message(cjson.decode(ARGV[7]), by) end

local recipients = {}
for i = 8, #ARGV, 2 do
  local forms = cjson.decode(ARGV[i])
  recipients[#recipients + 1] = { forms, ARGV[i + 1] }
  adopt_forms(key, forms)
  if purpose == 'hold' then redis.call('HSETNX', key, 'held:' .. forms[1], at) end
  if purpose == 'sent' then redis.call('HSET', key, 'sent:' .. forms[1], by) end
end

local fields = read_message(id)
if next(fields) then redis.call('PEXPIRE', key, ARGV[2]) end
local doubled, answers = {}, {}
for field in pairs(fields) do
  local form = field:match('^sent:(.*)$')
  local state = form and recipient_state(fields, { form })
  if state and reached(state.status) and redis.call('HSETNX', key, 'doubled:' .. form, '1') == 1 then
    doubled[#doubled + 1] = state.carrier or 'unknown'
  end
end
for _, each in ipairs(recipients) do
  local state, begun = recipient_state(fields, each[1]), effect_begun(each[2])
  local mine = begun and state.right == by
  local reason = mine and '' or reason_against(fields, state, by, begun)
  answers[#answers + 1] = { state.status or '', reason, state.right or '', state.held or '', mine and '1' or '' }
end
return { missing_keys(fields, cjson.decode(ARGV[6])), doubled, unpack(answers) }
