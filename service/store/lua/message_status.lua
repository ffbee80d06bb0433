-- message_status: the known status of the recipients of messages, each with its source. Nothing is changed.
--
-- requires: message_state
-- Keys:   those of message_state
-- ARGV:   forms of the only recipient to answer for (JSON, that of today first; '': all), then ids of messages (at most 500)
-- Answer: for each message: {id, types joined by commas, {form, status, source, carrier, sent (an event's id), held (ms)} …}: the form is
--         '' for a recipient whose number cannot be read. Unknown values are ''. A message without such a recipient is left out.
-- Cost:   O(fields of the messages)
local only = ARGV[1] ~= '' and cjson.decode(ARGV[1])
local answers = {}

local function forms_in(fields)
  local forms, known = {}, {}
  for field in pairs(fields) do
    local form = field:match('^status:(.*)$') or field:match('^carrier:(.*)$') or field:match('^sent:(.*)$')
    if form and not known[form] then known[form], forms[#forms + 1] = true, form end
  end
  table.sort(forms)
  return forms
end

local function is_named(fields, forms)
  for _, form in ipairs(forms) do
    if fields['status:' .. form] or fields['carrier:' .. form] or fields['sent:' .. form] then return true end
  end
  return false
end

local function event_of_unreadable(fields, status)
  local events = {}
  for field, value in pairs(fields) do
    if value == status then append(events, field:match('^unreadable:(.*)$')) end
  end
  table.sort(events)
  return events[1]
end

-- describe: a recipient. The source of a status in an event without a readable number has no time.
local function describe(fields, forms)
  local state = recipient_state(fields, forms)
  local status, source = state.status or '', state.source or ''
  if status ~= '' and source:match('^(%S*)') ~= status:gsub('%s', '_') then
    local event = event_of_unreadable(fields, status)
    source = event and status .. ' - ' .. event or ''
  end
  return { forms[1], status, source, state.carrier or '', state.sent or '', state.held or '' }
end

for i = 2, #ARGV do
  local fields, types, rows = open_message(ARGV[i]).fields, {}, {}
  for field in pairs(fields) do append(types, field:match('^type:(.*)$')) end
  table.sort(types)
  if only then
    if is_named(fields, only) then append(rows, describe(fields, only)) end
  else
    for _, form in ipairs(forms_in(fields)) do append(rows, describe(fields, { form })) end
    local furthest
    for field, status in pairs(fields) do
      if field:match('^unreadable:') and is_further(status, furthest) then furthest = status end
    end
    if #rows == 0 and furthest then
      append(rows, { '', furthest, furthest .. ' - ' .. event_of_unreadable(fields, furthest), '', '', '' })
    end
  end
  if #rows > 0 then append(answers, { ARGV[i], table.concat(types, ','), unpack(rows) }) end
end
return answers
