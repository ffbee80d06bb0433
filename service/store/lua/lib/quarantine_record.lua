-- quarantine_record(id): end an event whose record is damaged, alone. Its readable parts stay. A handler that had not ended
-- is dead, for a person to look at and to retry. A value that is no record is moved to <ns>:damaged:<id>.
--
-- requires: backlog handlers settle
-- Keys:   those of settle, <ns>:damaged:<id>
-- Cost:   O(handlers of the event + log queue)
local DAMAGED_IS_KEPT = 30 * 86400000
local DEFAULTS = { type = 'ringback.unreadable_record', arrived_by = 'webhook', received_at = now, due = now, deliveries = 1 }

local function quarantine_record(id)
  local event = event_key(id)
  if redis.call('TYPE', event).ok ~= 'hash' then
    redis.call('RENAME', event, ns .. ':damaged:' .. id)
    redis.call('PEXPIRE', ns .. ':damaged:' .. id, DAMAGED_IS_KEPT)
    redis.call('HSET', event, 'state', 'open')
  end
  for name, default in pairs(DEFAULTS) do
    local stored = redis.call('HGET', event, name)
    if not stored or type(default) == 'number' and not tonumber(stored) then redis.call('HSET', event, name, default) end
  end
  redis.call('HDEL', event, 'lease', 'lease_until', 'alone', 'lapses', 'backlog')
  leave_backlogs(id)
  local names = { unpack(handlers_of(event)) }
  -- Where the list cannot be read, they are those that the record has fields of.
  for _, field in ipairs(#names == 0 and redis.call('HKEYS', event) or {}) do
    if field:sub(1, 2) == 'h:' then append(names, field:sub(3)) end
  end
  if #names == 0 then append(names, 'record') end
  for _, name in ipairs(names) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    if handler.state ~= 'done' and handler.state ~= 'dead' or handler.reason == UNREADABLE then
      local attempts = tonumber(handler.attempts) or 0
      redis.call('HSET', event, 'h:' .. name, cjson.encode({ state = 'dead', reason = UNREADABLE, attempts = attempts,
        error = 'what Redis keeps of this event is damaged: look at it, then retry or drop it', ended_at = now }))
    end
  end
  redis.call('HSET', event, 'handlers', cjson.encode(names))
  return settle(id)
end

-- is_damage: whether an error of a script comes from the record itself, rather than from the server or another structure
local function is_damage(event, error)
  local said = type(error) == 'table' and error.err or tostring(error)
  if said:find('^WRONGTYPE') then return redis.call('TYPE', event).ok ~= 'hash' end
  -- The server's own refusals begin with a code (NOPERM, OOM, ERR): they say nothing against the record.
  return not said:find('^%-?%u%u%u+ ') or said:find('not an integer', 1, true) ~= nil
end
