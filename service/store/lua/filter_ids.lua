-- filter_ids: which events of one page of an index, or of those named, are looked for.
--
-- requires: dead_handlers minute
-- Keys:   <ns>:events, <ns>:dead, <ns>:ended, <ns>:queue, <ns>:event:<id>; none is written
-- ARGV:   filters (JSON: state, type (`10dlc.*` for a family), handler, about (digests in hex: any), since and until (ms of
--         arrival), died (the name of a dead handler), reason (of its death); a missing one matches everything), index
--         ('events' | 'dead' | 'ended' | 'queue'; '' for the ids that follow), first rank from the newest or the last due on, limit
--         (at most 500), then ids
-- Answer: {looked at, then for each that fits: id, received at (ms)}
-- Cost:   O(limit × few fields of a record + log index)
local filters, index, first, limit = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local prefix = ns .. ':'

local about = filters.numbers and from_hex(filters.numbers)

local function of_type(type)
  local wanted = filters.type
  if type == wanted then return true end
  return wanted:sub(-2) == '.*' and type:sub(1, #wanted - 1) == wanted:sub(1, -2)
end

local function is_about(digests)
  return holds_any(digests, about)
end

-- has_handler: names are identifiers, so that a name in quotation marks is one whole name
local function has_handler(handlers, kept)
  return (kept or handlers or ''):find('"' .. filters.handler .. '"', 1, true) ~= nil
end

-- tests: the checks of each record, the likeliest to fail first
local tests = {}
local function test(wanted, field, passes)
  if wanted then tests[#tests + 1] = { field = field, passes = passes } end
end
test(about, 'numbers', is_about)
test(filters.type, 'type', of_type)
test(filters.state, 'state', function(state) return state == filters.state end)
test(filters.since, 'received_at', function(at) return (tonumber(at) or 0) >= filters.since end)
test(filters['until'], 'received_at', function(at) return (tonumber(at) or 0) <= filters['until'] end)

local function fits(event)
  if redis.call('TYPE', event).ok ~= 'hash' then return false end
  for _, each in ipairs(tests) do
    local value = redis.call('HGET', event, each.field)
    if not value or not each.passes(value) then return false end
  end
  if filters.handler and not has_handler(unpack(redis.call('HMGET', event, 'handlers', 'pruned'))) then return false end
  if filters.died or filters.reason then return #dead_handlers(event, filters.died or '', filters.reason or '') > 0 end
  return true
end

local answer = { 0 }
local members = index == '' and { unpack(ARGV, 5) } or redis.call('ZREVRANGE', prefix .. index, first, first + limit - 1)
for _, member in ipairs(members) do
  local id = index == 'queue' and member:sub(#prefix + 1) or member
  local event = prefix .. 'event:' .. id
  local received_at = fits(event) and redis.call('HGET', event, 'received_at')
  if received_at then
    answer[#answer + 1] = id
    answer[#answer + 1] = tonumber(received_at) or 0
  end
end
answer[1] = #members
return answer
