-- prune_bodies: of events that ended well long enough ago, keep what is needed to know them again and how they ended, in
-- at most 200 bytes; the oldest first.
--
-- requires: handlers redact_answers
-- Keys:   those of answers, <ns>:event:<id>, <ns>:bodies
-- ARGV:   age (ms since the end), limit (at most 500)
-- Answer: how many were let go of
-- Cost:   O(limit × (handlers + effects + log events))
local limit = tonumber(ARGV[2])
local MAX_SIZE = 200
local LASTING = { 'type', 'state', 'received_at', 'ended_at', 'deliveries' }

-- outcomes: of each handler its runs and its reason, as JSON
local function outcomes(event, names)
  local told = {}
  for _, name in ipairs(names) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    local runs = math.max(tonumber(handler.ran) or 0, tonumber(handler.attempts) or 0)
    told[name] = { runs, type(handler.reason) == 'string' and handler.reason or '' }
  end
  return #names > 0 and cjson.encode(told) or '{}'
end

local function prune(id)
  local event = ns .. ':event:' .. id
  local values = redis.call('HMGET', event, unpack(LASTING))
  local kept = outcomes(event, names_of(redis.call('HGET', event, 'handlers') or '[]') or {})
  local record, size = {}, #'pruned'
  for i, name in ipairs(LASTING) do
    record[#record + 1], record[#record + 2] = name, values[i] or ''
    size = size + #name + #record[#record]
  end
  redact_answers(id)
  if size + #kept > MAX_SIZE then kept = '{}' end
  local f, stay = redis.call('HMGET', event, 'numbers', 'pruned'), { pruned = true }
  -- An event that was begun before has lost its handlers.
  kept = f[2] or kept
  redis.call('HSET', event, 'pruned', kept, unpack(record))
  for _, name in ipairs(LASTING) do stay[name] = true end
  stay.numbers = f[1] and f[1] ~= '' and size + #kept + #'numbers' + #f[1] <= MAX_SIZE
  local gone = {}
  for _, name in ipairs(redis.call('HKEYS', event)) do
    if not stay[name] then gone[#gone + 1] = name end
  end
  if #gone > 0 then redis.call('HDEL', event, unpack(gone)) end
end

local ids = redis.call('ZRANGEBYSCORE', ns .. ':bodies', '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, limit)
for _, id in ipairs(ids) do prune(id) end
if #ids > 0 then redis.call('ZREM', ns .. ':bodies', unpack(ids)) end
return #ids
