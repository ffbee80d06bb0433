-- anew: what retry and replay share: letting an ended event be processed once more, its history kept.
--
-- Keys:   <ns>:event:<id>
-- Cost:   O(record)
local FOREIGN = 'ringback.foreign_job'

-- hindrance: why an event that ended cannot be processed once more, or nil. `trusted`: an imported one may be, though what it
-- sent elsewhere is in no ledger of ours.
local function hindrance(event, trusted)
  local f = redis.call('HMGET', event, 'type', 'imported', 'cancelled')
  if redis.call('HEXISTS', event, 'body') == 0 then return 'no_body' end
  if f[1] == FOREIGN then return 'foreign' end
  if f[2] and not trusted then return 'imported' end
  return f[3] and 'cancelled' or nil
end

-- let_run: a handler runs again as if for the first time; answers the reason of its end so far
local function let_run(event, name, now)
  local known = redis.call('HGET', event, 'h:' .. name)
  local handler = known and handler_of(known) or {}
  local fresh = { state = 'pending', due = now }
  if handler.runs and #handler.runs > 0 then fresh.runs = handler.runs end
  redis.call('HSET', event, 'h:' .. name, cjson.encode(fresh))
  return type(handler.reason) == 'string' and handler.reason or ''
end

-- as_suspect: an event that made its workers vanish is given one more chance, alone
local function as_suspect(event)
  local lapses = tonumber(redis.call('HGET', event, 'lapses') or '0')
  if lapses > 2 then redis.call('HSET', event, 'lapses', 2) end
  redis.call('HDEL', event, 'alone')
end
