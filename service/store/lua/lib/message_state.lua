-- message_state: the state of a message per recipient, merged from all that is said of it. The furthest status counts, so neither
-- order nor repetition matters. Where numbers are hidden, a recipient may be known under several forms: as itself, and under
-- each encryption key. Their state is the furthest of all; merged states move to the first form.
--
-- Fields of <ns>:message:<id>:
--   of                            the most recipients that one event named
--   type:<SMS|MMS|RCS>            the message went out as this
--   status:<form>, carrier:<form> the furthest status of a recipient; the carrier
--   right:<form>                  the event that may send in the message's place
--   held:<form>                   since when that waits (ms)
--   sent:<form>, doubled:<form>   it was sent; that the message was delivered too has been told
--   unreadable:<event>            the furthest status that an event tells of recipients whose number cannot be read
--   excluded_events:<form>                  events whose unreadable recipients are not this one, as they name this one too (lines)
-- Cost:   O(fields of the message)
local STATUS_RANK = { queued = 1, sending = 2, sent = 3, delivery_unconfirmed = 4, expired = 5, sending_failed = 6,
  delivery_failed = 7, delivered = 8, read = 9 }
local RECIPIENT_FIELDS = { 'status', 'carrier', 'right', 'held', 'sent', 'doubled', 'excluded_events' }

local function message_key(id) return ns .. ':message:' .. id end

local function is_delivered(status) return (STATUS_RANK[status or ''] or 0) >= STATUS_RANK.delivered end

-- is_further: whether a status says more than another; between two that say nothing, the order of their names decides.
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
  return name == 'excluded_events' and add_line(mine, theirs) or mine
end

-- merge_forms: keep under the first form what is known under the others
local function merge_forms(key, forms)
  for other = 2, #forms do
    for _, name in ipairs(RECIPIENT_FIELDS) do
      local theirs = redis.call('HGET', key, name .. ':' .. forms[other])
      if theirs then
        local field = name .. ':' .. forms[1]
        redis.call('HSET', key, field, merge_values(name, redis.call('HGET', key, field), theirs))
        redis.call('HDEL', key, name .. ':' .. forms[other])
      end
    end
  end
end

local function merge_field(key, name, of, value)
  local field = name .. ':' .. of
  local known = redis.call('HGET', key, field)
  local value_now = merge_values(name, known, value)
  if value_now ~= known then redis.call('HSET', key, field, value_now) end
end

-- merge_message(said, event): said = {id, type, keep (ms), to = {{forms, status, carrier} …}}; forms are empty where the
-- number cannot be read, a status or carrier that was not said is ''
local function merge_message(said, event)
  local key = message_key(said.id)
  if said.type ~= '' then redis.call('HSET', key, 'type:' .. said.type, '1') end
  if tonumber(redis.call('HGET', key, 'of') or 0) < #said.to then redis.call('HSET', key, 'of', #said.to) end
  local unreadable, named = nil, {}
  for _, each in ipairs(said.to) do
    local forms, status, carrier = each[1], each[2], each[3]
    if #forms == 0 then
      if status ~= '' and is_further(status, unreadable) then unreadable = status end
    else
      merge_forms(key, forms)
      named[#named + 1] = forms[1]
      if status ~= '' then merge_field(key, 'status', forms[1], status) end
      if carrier ~= '' then merge_field(key, 'carrier', forms[1], carrier) end
    end
  end
  if unreadable then
    for _, form in ipairs(named) do merge_field(key, 'excluded_events', form, event) end
    local field = 'unreadable:' .. event
    local known = redis.call('HGET', key, field)
    if is_further(unreadable, known) then redis.call('HSET', key, field, unreadable) end
  end
  redis.call('PEXPIRE', key, said.keep)
end

-- read_message: all fields of a message, by name
local function read_message(id)
  local fields, flat = {}, redis.call('HGETALL', message_key(id))
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
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

-- recipient_state: the state of one recipient: {status, carrier, right, held, sent, unreadable}, each nil where nothing is.
-- A status of an unreadable number counts for the message's only recipient; among several, `unreadable` is
-- true where one that may be this one has the message.
local function recipient_state(fields, forms)
  local state, others = {}, 0
  for _, name in ipairs(RECIPIENT_FIELDS) do
    for _, form in ipairs(forms) do state[name] = merge_values(name, state[name], fields[name .. ':' .. form]) end
  end
  for field in pairs(fields) do
    if field:match('^status:') or field:match('^carrier:') then
      local mine = false
      for _, form in ipairs(forms) do mine = mine or field == 'status:' .. form or field == 'carrier:' .. form end
      if not mine then others = others + 1 end
    end
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

-- effect_begun: whether an effect was carried out, or may have been
local function effect_begun(effect)
  local f = redis.call('HMGET', ns .. ':effect:' .. effect, 'state', 'unconfirmed')
  return f[1] == 'done' or f[1] == 'settled' or (f[1] == 'started' and tonumber(f[2] or 0) > 0)
end

-- reason_against: why the event `by` may not send in the message's place ('' where it may)
local function reason_against(fields, state, by, begun)
  if is_delivered(state.status) then return 'already_delivered' end
  if state.right and state.right ~= by then return begun and 'already_sent' or 'right_held' end
  if state.unreadable then return 'recipient_unreadable' end
  return (fields['type:SMS'] or fields['type:MMS']) and 'native_fallback' or ''
end
