-- start: the beginning of every script. Its only key is <ns>:counts. Some servers refuse a script that names no key, and a
-- cluster finds the server by it. The time (ms) does not pass while a script runs.
local ns = KEYS[1]:match('^(.*):counts$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- In a cluster: end here, before anything is written, while the slot is moving. Then the keys stand on two servers, and a
-- missing one is refused.
if ns:sub(1, 1) == '{' then redis.call('EXISTS', ns .. ':missing') end

-- is_in_our_slot: whether keys that end in this name lie where ours do. A script may touch no others. Without a cluster all do.
local function is_in_our_slot(name) return ns:sub(1, 1) ~= '{' or name:match('{.-}') == ns end

local function event_key(id) return ns .. ':event:' .. id end

-- is_leased: whether an event has a lease by this token that has not lapsed
local function is_leased(id, token)
  local f = redis.call('HMGET', event_key(id), 'lease', 'lease_until')
  return f[1] == token and (tonumber(f[2]) or 0) > now
end

local function append(list, ...)
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

-- decoded: the table that a JSON text holds, nil where it cannot be read
local function decoded(text)
  local readable, value = pcall(cjson.decode, text)
  return readable and type(value) == 'table' and value or nil
end

-- answer_each: the answers of a function for each argument from a number on
local function answer_each(first, answer)
  local answers = {}
  for i = first, #ARGV do answers[#answers + 1] = answer(ARGV[i]) end
  return answers
end
