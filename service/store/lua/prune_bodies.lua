-- prune_bodies: prune events that ended well long enough ago, the oldest first. At most 200 bytes stay: enough to know them
-- again, and how they ended.
--
-- requires: effects handlers
-- Keys:   those of effects, <ns>:event:<id>, <ns>:bodies, <ns>:pruning
-- ARGV:   age (ms since the end), limit (at most 500)
-- Answer: how many were pruned
-- Cost:   O(limit × (handlers + effects + log events))
local MAX_SIZE = 200
local LASTING = { 'type', 'state', 'received_at', 'ended_at', 'deliveries' }

-- prune: put a small record in the place of the whole one. A hash that was once large takes twice the room of one that
-- was always small.
local function prune(id)
  local event, record, size, outcomes = event_key(id), {}, #'pruned', {}
  local values = redis.call('HMGET', event, 'numbers', 'pruned', unpack(LASTING))
  for _, entry in ipairs(entries_of(id)) do redact(entry) end
  if values[2] then return end
  for i, name in ipairs(LASTING) do
    if values[i + 2] then
      append(record, name, values[i + 2])
      size = size + #name + #values[i + 2]
    end
  end
  -- Of each handler its runs and its reason.
  for _, name in ipairs(handlers_of(event)) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    outcomes[name] = { math.max(tonumber(handler.ran) or 0, tonumber(handler.attempts) or 0), handler.reason or '' }
  end
  local pruned, numbers = cjson.encode(outcomes), values[1] or ''
  if size + #pruned > MAX_SIZE then pruned = '{}' end
  if numbers ~= '' and size + #pruned + #'numbers' + #numbers <= MAX_SIZE then append(record, 'numbers', numbers) end
  redis.call('HSET', ns .. ':pruning', 'pruned', pruned, unpack(record))
  redis.call('RENAME', ns .. ':pruning', event)
end

-- Of a call that failed half-way.
redis.call('DEL', ns .. ':pruning')
local ids = redis.call('ZRANGEBYSCORE', ns .. ':bodies', '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do prune(id) end
if #ids > 0 then redis.call('ZREM', ns .. ':bodies', unpack(ids)) end
return #ids
