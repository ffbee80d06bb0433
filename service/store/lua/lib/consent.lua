-- consent: the latest opt-out and the latest opt-in of each number. So neither the order of changes nor their repetition
-- matters. There are two kinds of changes. The number itself made the one kind, known from a message, a 40300 or Telnyx's
-- list. A person made the other (operator, import). A START lifts the former, a person's opt-in lifts both. A number is opted
-- out where, of either kind, its latest opt-out is not older than its latest opt-in. Where numbers are hidden, one may be
-- known under several forms: as itself, and under each encryption key. The latest changes of all count, and a write takes the
-- place of all of them.
--
-- A time from the future would make every later opt-out an older one. So no word counts from later than `AHEAD` after its
-- arrival. A stored time that is later gives way to the next word.
--
-- Value:  'out in source put_out put_in put_source [sealed number]'. Times in ms, '-' where there is none
-- Keys:   <ns>:optouts, <ns>:optout_times, <ns>:optout_keys
-- Cost:   O(forms × log opt-outs)

-- AHEAD: ms that Telnyx's clock may be ahead of ours. Within it, the order of words is that of Telnyx.
local AHEAD = 5000

-- count_form: keep the number of forms that are hidden under one key. Plain numbers are not.
local function count_form(form, by)
  -- A form is `p:` and a number, or `h:`, the name of a key and a hash. Its first mark is ours, whatever follows.
  local key = form:match('^h:(%x%x%x%x%x%x%x%x):')
  if key and redis.call('HINCRBY', ns .. ':optout_keys', key, by) <= 0 then redis.call('HDEL', ns .. ':optout_keys', key) end
end

local function is_later(at, than) return at ~= '-' and (than == '-' or tonumber(at) > tonumber(than)) end

-- parse_consent: the six fields of a value. A damaged one counts as an opt-out, which a START lifts.
local function parse_consent(value)
  local fields = { value:match('^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)') }
  for _, at in ipairs({ 1, 2, 4, 5 }) do
    if not (fields[at] or ''):find('^%d+$') and fields[at] ~= '-' then return { '1', '-', 'unreadable', '-', '-', '-' } end
  end
  return fields
end

-- known_consent: the consent under all forms, merged, as the six fields of a value. Answers too how many other forms than the
-- first hold something.
local function known_consent(forms)
  local known, others = { '-', '-', '-', '-', '-', '-' }, 0
  for i, value in ipairs(redis.call('HMGET', ns .. ':optouts', unpack(forms))) do
    local theirs = value and parse_consent(value) or known
    for at = 1, 4, 3 do
      if is_later(theirs[at], known[at]) then known[at], known[at + 2] = theirs[at], theirs[at + 2] end
      if is_later(theirs[at + 1], known[at + 1]) then known[at + 1] = theirs[at + 1] end
    end
    if value and i > 1 then others = others + 1 end
  end
  return known, others
end

-- opted_out_at: when the opt-out in force was said (ms), the latest of two, or nil
local function opted_out_at(known)
  local latest
  for at = 1, 4, 3 do
    local out = known[at] ~= '-' and tonumber(known[at])
    if out and not is_later(known[at + 1], known[at]) then latest = math.max(latest or out, out) end
  end
  return latest
end

-- write_consent: keep what is known of a number under its first form alone. Its place among the opt-outs is written before the
-- value that makes it count, and removed after it.
local function write_consent(forms, sealed, known)
  local value, out_at = table.concat(known, ' ') .. (sealed ~= '' and ' ' .. sealed or ''), opted_out_at(known)
  if out_at then redis.call('ZADD', ns .. ':optout_times', out_at, forms[1]) end
  if redis.call('HSET', ns .. ':optouts', forms[1], value) == 1 then count_form(forms[1], 1) end
  for i = 2, #forms do
    if redis.call('HDEL', ns .. ':optouts', forms[i]) == 1 then count_form(forms[i], -1) end
  end
  local gone = { unpack(forms, out_at and 2 or 1) }
  if #gone > 0 then redis.call('ZREM', ns .. ':optout_times', unpack(gone)) end
end

-- opted_out: whether a number must not be written to. With `since` (ms): also whether it opted out from then on.
local function opted_out(forms, since)
  local known = known_consent(forms)
  for at = 1, 4, 3 do
    local out = known[at] ~= '-' and tonumber(known[at])
    if out and (not is_later(known[at + 1], known[at]) or since and out >= since) then return true end
  end
  return false
end

-- drop_impossible: replace times from the future by the oldest that say the same. The server's clock may have been ahead.
local function drop_impossible(known)
  for first = 1, 4, 3 do
    local out, back = known[first], known[first + 1]
    local is_in = is_later(back, out)
    if is_later(out, now + AHEAD) then known[first] = is_in and '-' or '1' end
    if is_later(back, now + AHEAD) then
      known[first + 1] = is_in and known[first] ~= '-' and string.format('%d', known[first] + 1) or '-'
    end
  end
end

-- record_changes: keep a list of {forms, sealed, said, at, source}. Forms are those of the number, that of today first.
-- `sealed` is the number itself, '' where it is not hidden. `said` is 'out' or 'in', `at` in ms (-1: `arrived_at`). Answers
-- how many were news.
local function record_changes(changes, arrived_at)
  local number = 0
  for _, change in ipairs(changes) do
    local forms, sealed, said, at, source = unpack(change)
    local known, others = known_consent(forms)
    local by_person, news = source == 'operator' or source == 'import', false
    drop_impossible(known)
    at = string.format('%d', math.min(at < 0 and arrived_at or at, arrived_at + AHEAD))
    for first = 1, 4, 3 do
      local field = said == 'out' and first or first + 1
      local concerns = (first == 4) == by_person or (by_person and said == 'in')
      if concerns and is_later(at, known[field]) then
        known[field], news = at, true
        if said == 'out' then known[first + 2] = source end
      end
    end
    if news or others > 0 then write_consent(forms, sealed, known) end
    number = number + (news and 1 or 0)
  end
  return number
end

-- unreadable_consent: the encryption keys that opt-outs are hidden under and the caller does not have
local function unreadable_consent(names)
  local have, missing = {}, {}
  for _, each in ipairs(names) do have[each] = true end
  for _, each in ipairs(redis.call('HKEYS', ns .. ':optout_keys')) do
    if not have[each] then append(missing, each) end
  end
  return missing
end
