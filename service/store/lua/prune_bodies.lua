-- prune_bodies: prune events that ended well long enough ago, the oldest first. At most 200 bytes stay: enough to know them
-- again, and how they ended.
--
-- requires: effects handlers
-- Keys:   those of effects, <ns>:event:<id>, <ns>:bodies
-- ARGV:   age (ms since the end), limit (at most 500)
-- Answer: how many were pruned
-- Cost:   O(limit × (handlers + effects + log events))
local MAX_SIZE = 200
local LASTING = { 'type', 'state', 'received_at', 'ended_at', 'deliveries' }

local function prune(id)
  local event, record, stay = event_key(id), {}, { pruned = true }
  local values, size, outcomes = redis.call('HMGET', event, unpack(LASTING)), #'pruned', {}
  for i, name in ipairs(LASTING) do
    append(record, name, values[i] or '')
    stay[name], size = true, size + #name + #(values[i] or '')
  end
  for _, entry in ipairs(entries_of(id)) do redact(entry) end
  -- Of each handler its runs and its reason.
  for _, name in ipairs(handlers_of(event)) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    outcomes[name] = { math.max(tonumber(handler.ran) or 0, tonumber(handler.attempts) or 0), handler.reason or '' }
  end
  local pruned = next(outcomes) and cjson.encode(outcomes) or '{}'
  if size + #pruned > MAX_SIZE then pruned = '{}' end
  local f = redis.call('HMGET', event, 'numbers', 'pruned')
  -- An event that was begun before has lost its handlers.
  pruned = f[2] or pruned
  redis.call('HSET', event, 'pruned', pruned, unpack(record))
  stay.numbers = f[1] and f[1] ~= '' and size + #pruned + #'numbers' + #f[1] <= MAX_SIZE
  local gone = {}
  for _, name in ipairs(redis.call('HKEYS', event)) do
    if not stay[name] then append(gone, name) end
  end
  if #gone > 0 then redis.call('HDEL', event, unpack(gone)) end
end

local ids = redis.call('ZRANGEBYSCORE', ns .. ':bodies', '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do prune(id) end
if #ids > 0 then redis.call('ZREM', ns .. ':bodies', unpack(ids)) end
return #ids
