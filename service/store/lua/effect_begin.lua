-- effect_begin: write the intent of a request before it leaves. Refused without the lease, and where the entry is no longer
-- that of the caller. A send is refused too where a recipient is opted out. A send may take the place of a message. It is
-- refused where the message was delivered, and where another event holds the right to send. So it is beyond the hour's
-- segments. Right and segments are reserved here. A request that is only noted (a dry run) is written with its answer.
--
-- requires: budget consent effects message_state
-- Keys:   <ns>:sent_regions (sorted set: where sends went, by time), <ns>:effect:<name>, <ns>:effects:<event id>, <ns>:event:<id>, those of consent, message_state and budget
-- ARGV:   event id, token of the lease, name, version seen (0: there was no entry), run, keep (ms that the entry lives; 0: as
--         long as its event), again ('1': the stored bytes go once more; '0': what follows is new), conditions of a send (JSON, or
--         ''): {keys = {names of the caller's encryption keys}, recipients = {forms of each number}, only_asks, message = {id,
--         since (ms when it was sent; -1: unknown), segments, limit, window (ms), keep (ms)}, shown = {words (as for record_changes),
--         state (as for merge_message)}: what Telnyx has just shown of that message, which is kept, reply = {limit, window (ms)} of the budget of replies,
--         regions = {where it goes}}, then field, value …
-- Answer: {'begun'}, {'lost'}, {'changed'}, or why it may not be sent: {'opted_out'}, {'already_delivered'}, {'native_fallback'},
--         {'recipient_unreadable'}, {'already_sent' or 'right_held', the event that holds the right}, {'over_budget'},
--         {'encryption_key_missing', names of keys …}
-- Cost:   O(fields + log effects of the event + fields of the message)
local id, token, name, version, keep, again = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[6]), ARGV[7] == '1'
local entry = ns .. ':effect:' .. name
local stored, sum
local known = redis.call('HMGET', entry, 'version', 'state', 'sends', 'unconfirmed')

-- find_refusal: why this may not be sent now, nil where it may
local function find_refusal(wanted)
  local missing, message = unreadable_consent(wanted.keys), wanted.message
  if #missing > 0 then return { 'encryption_key_missing', unpack(missing) } end
  local since = message and message.since >= 0 and message.since
  for _, forms in ipairs(wanted.recipients) do
    if opted_out(forms, since) then return { 'opted_out' } end
  end
  -- The stored bytes under a key that was sent before are no further reply.
  if wanted.reply and not again and not replies_have_room(name, wanted.reply.limit, wanted.reply.window) then
    return { 'over_budget' }
  end
  if not message then return nil end
  missing = missing_keys(stored.fields, wanted.keys)
  if #missing > 0 then return { 'encryption_key_missing', unpack(missing) } end
  local state = recipient_state(stored.fields, wanted.recipients[1])
  local reason = reason_against(stored.fields, state, id, is_begun(known[2], known[4]))
  if reason ~= '' then return { reason, state.right ~= id and state.right or nil } end
  local has_room
  has_room, sum = budget_has_room(name, message.segments, message.limit, message.window)
  if not has_room then return { 'over_budget' } end
end

-- reserve: take the right to send in a message's place, and the budget
local function reserve(wanted)
  local message = wanted.message
  if message then
    merge_forms(stored, wanted.recipients[1])
    set_field(stored, 'right:' .. wanted.recipients[1][1], id)
    save_message(stored, message.keep)
    reserve_budget(name, message.segments, sum, message.window)
  end
  if wanted.reply then reserve_reply(name, wanted.reply.window) end
  for _, region in ipairs(wanted.regions) do redis.call('ZADD', ns .. ':sent_regions', now, region) end
end

if not is_leased(id, token) then return { 'lost' } end
if (known[1] or '0') ~= version then return { 'changed' } end
if ARGV[8] ~= '' then
  local wanted = cjson.decode(ARGV[8])
  stored = wanted.message and open_message(wanted.message.id)
  if wanted.shown then
    -- Kept in any case: it is true of the message, whether the SMS is sent or not.
    record_changes(wanted.shown.words, now)
    merge_message(stored, wanted.shown.state, id)
    save_message(stored, wanted.shown.state.keep)
  end
  local why = find_refusal(wanted)
  if why then return why end
  if not wanted.only_asks then reserve(wanted) end
end
-- The intent is one write, and the last: where that fails, there is none.
local fields = { 'run', ARGV[5], 'holder', id, 'token', token, 'last_at', now, 'version', tonumber(version) + 1 }
local state, sends, unconfirmed = known[2], tonumber(known[3] or '0'), tonumber(known[4] or '0')
redis.call('ZADD', ns .. ':effects:' .. id, 'NX', now, name)
if not again then
  if known[1] then redis.call('HDEL', entry, 'status', 'answer', 'answer_type', 'redacted_answer', 'answered_at', 'why', 'bytes') end
  sends, unconfirmed = 0, 0
  append(fields, 'first_at', now, unpack(ARGV, 9))
  for i = 9, #ARGV, 2 do state = ARGV[i] == 'state' and ARGV[i + 1] or state end
end
local going = state == 'started' and 1 or 0
if keep > 0 then
  -- Its end comes first, so that no entry is left without one. Until the last write it is no entry, and sends nothing.
  if version == '0' then redis.call('HSET', entry, 'version', NEVER_BEGUN, 'state', 'withdrawn') end
  redis.call('PEXPIRE', entry, keep)
end
redis.call('HSET', entry, 'sends', sends + going, 'unconfirmed', unconfirmed + going, unpack(fields))
return { 'begun' }
