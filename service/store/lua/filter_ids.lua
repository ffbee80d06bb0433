-- filter_ids: which events of one page of an index, or of those named, are looked for.
--
-- requires: causes handlers minute types
-- Keys:   those of causes, <ns>:events, <ns>:dead, <ns>:died:<digest>, <ns>:ended, <ns>:queue, <ns>:event:<id>; none is written
-- ARGV:   filters (JSON: state, type (`10dlc.*` for a family), handler, numbers (digests in hex: any), since and until (ms of
--         arrival), died (the name of a dead handler), reason (of its death), because (the reason of any handler), attempts (runs
--         of a handler, at least), message (digests in hex: any), without_crons; a missing one matches everything), index
--         ('events' | 'dead' | 'ended' | 'queue' | 'died:<digest>'; '' for the ids that follow), first rank from the newest or the
--         last due on, limit (at most 500), then ids
-- Answer: {looked at, then for each that fits: id, received at (ms)}
-- Cost:   O(limit × few fields of a record + log index)
local filters, index, first, limit = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local numbers, message = filters.numbers and from_hex(filters.numbers), filters.message and from_hex(filters.message)
local CRON = 'ringback.cron.'

-- tests: the checks of each record, the likeliest to fail first
local tests = {}
local function test(wanted, field, passes)
  if wanted then append(tests, { field = field, passes = passes }) end
end
test(numbers, 'numbers', function(digests) return holds_any(digests, numbers) end)
test(message, 'numbers', function(digests) return holds_any(digests, message) end)
test(filters.without_crons, 'type', function(type) return type:sub(1, #CRON) ~= CRON end)
test(filters.type, 'type', function(type) return fits(filters.type, type) end)
test(filters.state, 'state', function(state) return state == filters.state end)
test(filters.since, 'received_at', function(at) return (tonumber(at) or 0) >= filters.since end)
test(filters['until'], 'received_at', function(at) return (tonumber(at) or 0) <= filters['until'] end)

-- has_run_so: whether a handler has this reason, and whether one has run so often. A pruned record keeps both.
local function has_run_so(event)
  local so, often = not filters.because, not filters.attempts
  local function look(ran, reason)
    so, often = so or reason == filters.because, often or ran >= filters.attempts
  end
  for _, past in pairs(decoded(redis.call('HGET', event, 'pruned')) or {}) do look(tonumber(past[1]) or 0, past[2]) end
  for _, name in ipairs(handlers_of(event)) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    look(math.max(tonumber(handler.ran) or 0, tonumber(handler.attempts) or 0), handler.reason)
  end
  return so and often
end

local function is_wanted(event)
  if redis.call('TYPE', event).ok ~= 'hash' then return false end
  for _, each in ipairs(tests) do
    local value = redis.call('HGET', event, each.field)
    if not value or not each.passes(value) then return false end
  end
  if filters.handler then
    local f = redis.call('HMGET', event, 'handlers', 'pruned')
    -- Names are identifiers, so that a name in quotation marks is one whole name.
    if not (f[2] or f[1] or ''):find('"' .. filters.handler .. '"', 1, true) then return false end
  end
  if (filters.because or filters.attempts) and not has_run_so(event) then return false end
  if filters.died or filters.reason then return #dead_of_cause(event, filters.died or '', filters.reason or '') > 0 end
  return true
end

local members = index == '' and { unpack(ARGV, 5) }
  or redis.call('ZREVRANGE', ns .. ':' .. index, first, first + limit - 1)
local answer = { #members }
for _, member in ipairs(members) do
  local id = index == 'queue' and member:sub(#ns + 2) or member
  local received_at = is_wanted(event_key(id)) and redis.call('HGET', event_key(id), 'received_at')
  if received_at then append(answer, id, tonumber(received_at) or 0) end
end
return answer
