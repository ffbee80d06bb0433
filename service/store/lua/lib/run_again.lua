-- run_again: what retry and replay share: letting an ended event be processed once more, its history kept.
--
-- requires: handlers note
-- Keys:   <ns>:event:<id>
-- Cost:   O(record)
local FOREIGN = 'ringback.foreign_job'

-- why_not_rerunnable: why an event that ended cannot be processed once more, or nil. `trusted`: an imported one may be, though what it
-- sent elsewhere is in no ledger of ours.
local function why_not_rerunnable(event, trusted)
  local f = redis.call('HMGET', event, 'type', 'imported', 'cancelled')
  if redis.call('HEXISTS', event, 'body') == 0 then return 'no_body' end
  if f[1] == FOREIGN then return 'foreign' end
  if f[2] and not trusted then return 'imported' end
  return f[3] and 'cancelled' or nil
end

-- reset_handler: a handler's record (JSON) that lets it run again as if for the first time, and the reason of its end so far
local function reset_handler(event, name)
  local known = redis.call('HGET', event, 'h:' .. name)
  local handler = known and handler_of(known) or {}
  local fresh = { state = 'pending', due = now }
  if handler.runs and #handler.runs > 0 then fresh.runs = handler.runs end
  return cjson.encode(fresh), type(handler.reason) == 'string' and handler.reason or ''
end

-- rerun_handlers: let handlers run again, in one write with `more` fields and the note of it, so that it happened or did not. An
-- event that made its workers vanish is given one more chance, alone.
local function rerun_handlers(event, names, what, more)
  local fields, were = more or {}, {}
  for _, name in ipairs(names) do
    local fresh, reason = reset_handler(event, name)
    fields[#fields + 1], fields[#fields + 2] = 'h:' .. name, fresh
    were[name] = reason
  end
  local f = redis.call('HMGET', event, 'lapses', 'notes')
  if (tonumber(f[1] or '0') or 0) > 2 then fields[#fields + 1], fields[#fields + 2] = 'lapses', 2 end
  redis.call('HDEL', event, 'alone')
  redis.call('HSET', event, 'notes', noted(f[2], what, were), unpack(fields))
end

-- is_half_rerun: whether an ended event was let run by a script that failed before it settled it
local function is_half_rerun(event)
  local f = redis.call('HMGET', event, 'handlers', 'pruned')
  return not f[2] and (not f[1] or combined_state(event, names_of(f[1])) == 'open')
end
