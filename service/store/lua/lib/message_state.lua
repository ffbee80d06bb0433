-- message_state: the state of a message per recipient, merged from all its events. The furthest status counts, so neither
-- order nor repetition matters. Where numbers are hidden, a recipient may be known under several forms: as itself, and under
-- each encryption key. Their state is the furthest of all. Merged states move to the first form.
--
-- Keys:   <ns>:message:<id>, <ns>:under_way, <ns>:rcs_unapproved, <ns>:rcs:<form>
-- Fields of <ns>:message:<id>:
-- - of: the most recipients that one event named
-- - type:<SMS|MMS|RCS>: the message went out in this form
-- - status:<form>: the furthest status of a recipient
-- - carrier:<form>: its carrier
-- - source:<form>: where that status is from: the status, its time (ms), and the event's id (a reading: `telnyx`)
-- - right:<form>: the event that may send in the message's place
-- - held:<form>: since when that waits (ms)
-- - sent:<form>: it was sent
-- - double_delivery:<form>: the message was delivered too, which was answered once
-- - unreadable:<event>: the furthest status in an event of recipients whose number cannot be read
-- - excluded_events:<form>: events whose unreadable recipients are not this one, as they name this one too (lines)
-- Cost:   O(fields of the message)
local STATUS_RANK = { queued = 1, sending = 2, sent = 3, delivery_unconfirmed = 4, expired = 5, sending_failed = 6,
  delivery_failed = 7, delivered = 8, read = 9 }
local RECIPIENT_FIELDS = { 'status', 'carrier', 'source', 'right', 'held', 'sent', 'double_delivery', 'excluded_events' }

local function is_delivered(status) return (STATUS_RANK[status or ''] or 0) >= STATUS_RANK.delivered end

-- is_further: whether a status says more than another. Between two that say nothing, the order of their names decides.
local function is_further(status, known)
  if not known then return true end
  local mine, other = STATUS_RANK[status] or 0, STATUS_RANK[known] or 0
  return mine > other or (mine == other and status > known)
end

-- add_line: a sorted list of lines with one more, so that the order of events does not show
local function add_line(lines, line)
  local all, known = {}, {}
  for each in ((lines or '') .. '\n' .. line):gmatch('[^\n]+') do
    if not known[each] then known[each], all[#all + 1] = true, each end
  end
  table.sort(all)
  return table.concat(all, '\n')
end

-- merge_values: what two forms of one recipient say together, for one of its fields
local function merge_values(name, mine, theirs)
  if not mine or not theirs then return mine or theirs end
  if name == 'status' then return is_further(theirs, mine) and theirs or mine end
  if name == 'carrier' then return theirs < mine and theirs or mine end
  if name == 'source' then
    local my_status, their_status = mine:match('^(%S*)'), theirs:match('^(%S*)')
    if my_status == their_status then return theirs < mine and theirs or mine end
    return is_further(their_status, my_status) and theirs or mine
  end
  return name == 'excluded_events' and add_line(mine, theirs) or mine
end

-- open_message: a message's fields by name, and the changes to them that save_message writes
local function open_message(id)
  local message = { key = ns .. ':message:' .. id, fields = {}, changed = {}, removed = {} }
  local flat = redis.call('HGETALL', message.key)
  for i = 1, #flat, 2 do message.fields[flat[i]] = flat[i + 1] end
  message.is_new = #flat == 0
  return message
end

local function set_field(message, field, value)
  if message.fields[field] == value then return end
  message.fields[field] = value
  append(message.changed, field, value)
end

local function merge_field(message, name, of, value)
  local field = name .. ':' .. of
  set_field(message, field, merge_values(name, message.fields[field], value))
end

-- save_message: write the changes of a message. It is kept for `keep` ms from now on.
local function save_message(message, keep)
  if #message.changed > 0 then redis.call('HSET', message.key, unpack(message.changed)) end
  if #message.removed > 0 then redis.call('HDEL', message.key, unpack(message.removed)) end
  if next(message.fields) then redis.call('PEXPIRE', message.key, keep) end
  message.changed, message.removed = {}, {}
end

-- merge_forms: move the fields under other forms to the first form
local function merge_forms(message, forms)
  for other = 2, #forms do
    for _, name in ipairs(RECIPIENT_FIELDS) do
      local field = name .. ':' .. forms[other]
      local value = message.fields[field]
      if value then
        merge_field(message, name, forms[1], value)
        message.fields[field] = nil
        message.removed[#message.removed + 1] = field
      end
    end
  end
end

-- remember_carrier: keep the carrier of a phone, while there is an agent that some carrier has not approved
local learns_carriers
local function remember_carrier(form, carrier)
  local KEPT = 2678400000
  if learns_carriers == nil then learns_carriers = redis.call('EXISTS', ns .. ':rcs_unapproved') == 1 end
  if not learns_carriers then return end
  redis.call('HSET', ns .. ':rcs:' .. form, 'carrier of the phone', carrier)
  redis.call('PEXPIRE', ns .. ':rcs:' .. form, KEPT)
end

-- merge_message(message, said, event): merge what an event says. said = {id, type, keep (ms), at (ms), read, to = {{forms, status,
-- carrier} …}}. `at` is when it was so, nil for now. `read` is true for a reading at Telnyx. Forms are empty where the number cannot be read, a status or carrier that was not said is ''.
local function merge_message(message, said, event)
  if said.type ~= '' then set_field(message, 'type:' .. said.type, '1') end
  if tonumber(message.fields.of or 0) < #said.to then set_field(message, 'of', tostring(#said.to)) end
  local unreadable, named = nil, {}
  local source = string.format(' %.0f %s', said.at or now, said.read and 'telnyx' or event)
  for _, each in ipairs(said.to) do
    local forms, status, carrier = each[1], each[2], each[3]
    if #forms == 0 then
      if status ~= '' and is_further(status, unreadable) then unreadable = status end
    else
      merge_forms(message, forms)
      named[#named + 1] = forms[1]
      if status ~= '' then
        merge_field(message, 'status', forms[1], status)
        merge_field(message, 'source', forms[1], status:gsub('%s', '_') .. source)
      end
      if carrier ~= '' then
        merge_field(message, 'carrier', forms[1], carrier)
        remember_carrier(forms[1], carrier)
      end
    end
  end
  if unreadable then
    for _, form in ipairs(named) do merge_field(message, 'excluded_events', form, event) end
    local field = 'unreadable:' .. event
    if is_further(unreadable, message.fields[field]) then set_field(message, field, unreadable) end
  end
end

-- record_message: merge and save what an event says of a message. Answers the message.
local function record_message(said, event)
  local message = open_message(said.id)
  merge_message(message, said, event)
  save_message(message, said.keep)
  return message
end

-- follow_message: note when to ask Telnyx for a message, while a recipient's status is none that ends it
local function follow_message(message, id)
  local FIRST_AFTER, GIVEN_UP_AFTER = 900000, 864000000
  local under_way = false
  for field, status in pairs(message.fields) do
    if field:sub(1, 7) == 'status:' and (STATUS_RANK[status] or 0) <= STATUS_RANK.sent then under_way = true end
  end
  if not under_way then
    if not message.is_new then redis.call('ZREM', ns .. ':under_way', id) end
    return
  end
  redis.call('ZADD', ns .. ':under_way', 'NX', now + FIRST_AFTER, id)
  redis.call('ZREMRANGEBYSCORE', ns .. ':under_way', '-inf', now - GIVEN_UP_AFTER)
end

-- missing_keys: the encryption keys that recipients are hidden under and the caller (with the keys `names`) does not have
local function missing_keys(fields, names)
  local have, missing = {}, {}
  for _, name in ipairs(names) do have[name] = true end
  for field in pairs(fields) do
    local name, key = field:match('^(%a+):h:(%x%x%x%x%x%x%x%x):%x+$')
    if key and name ~= 'unreadable' and name ~= 'type' and not have[key] then
      have[key], missing[#missing + 1] = true, key
    end
  end
  table.sort(missing)
  return missing
end

-- recipient_state: the state of one recipient: {status, carrier, right, held, sent, unreadable}, each nil where nothing is. A
-- status of an unreadable number counts for the message's only recipient. Among several, `unreadable` is true where one that
-- may be this one has the message.
local function recipient_state(fields, forms)
  local state, mine, others = {}, {}, 0
  for _, name in ipairs(RECIPIENT_FIELDS) do
    for _, form in ipairs(forms) do
      state[name], mine[name .. ':' .. form] = merge_values(name, state[name], fields[name .. ':' .. form]), true
    end
  end
  for field in pairs(fields) do
    if (field:match('^status:') or field:match('^carrier:')) and not mine[field] then others = others + 1 end
  end
  local only = tonumber(fields.of or 0) <= 1 and others == 0
  local excluded_events = '\n' .. (state.excluded_events or '') .. '\n'
  for field, status in pairs(fields) do
    local event = field:match('^unreadable:(.*)$')
    if event and only then
      state.status = merge_values('status', state.status, status)
    elseif event and is_delivered(status) and not excluded_events:find('\n' .. event .. '\n', 1, true) then
      state.unreadable = true
    end
  end
  return state
end

-- is_begun: whether an effect of this state was carried out, or may have been
local function is_begun(state, unconfirmed)
  return state == 'done' or state == 'resolved' or (state == 'started' and tonumber(unconfirmed or 0) > 0)
end

-- reason_against: why the event `by` may not send in the message's place ('' where it may)
local function reason_against(fields, state, by, begun)
  if is_delivered(state.status) then return 'already_delivered' end
  if state.right and state.right ~= by then return begun and 'already_sent' or 'right_held' end
  if state.unreadable then return 'recipient_unreadable' end
  return (fields['type:SMS'] or fields['type:MMS']) and 'native_fallback' or ''
end
