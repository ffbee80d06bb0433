-- run_again: shared by retry and replay: let an ended event be processed once more, its history kept.
--
-- requires: handlers note
-- Keys:   <ns>:event:<id>
-- Cost:   O(record)

-- why_not_rerunnable: why an event that ended cannot be processed once more, or nothing. `trusted`: an imported one may be, though
-- its earlier effects are in no ledger of ours.
local function why_not_rerunnable(event, trusted)
  local f = redis.call('HMGET', event, 'type', 'imported', 'cancelled')
  if redis.call('HEXISTS', event, 'body') == 0 then return 'no_body' end
  if f[1] == 'ringback.foreign_job' then return 'foreign' end
  if f[2] and not trusted then return 'imported' end
  return f[3] and 'cancelled'
end

-- rerun_handlers: let handlers run again as if for the first time. It is one write with `more` fields and the note of it, so
-- that it happened or did not. `by` is the operator. An event that made its workers vanish is given one more chance, alone.
local function rerun_handlers(event, names, what, by, more)
  local fields, reasons = more or {}, {}
  for _, name in ipairs(names) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    local runs = handler.runs and #handler.runs > 0 and handler.runs or nil
    append(fields, 'h:' .. name, cjson.encode({ state = 'pending', due = now, runs = runs }))
    reasons[name] = handler.reason or ''
  end
  local f = redis.call('HMGET', event, 'lapses', 'notes')
  if (tonumber(f[1]) or 0) > 2 then append(fields, 'lapses', 2) end
  -- A worker that was killed as it gave its lease back may have left it. That is no lapse of the run to come.
  redis.call('HDEL', event, 'alone', 'lease', 'lease_until')
  redis.call('HSET', event, 'notes', noted(f[2], what, reasons, by), unpack(fields))
end

-- is_half_rerun: whether an ended event was let run by a script that failed before it settled it
local function is_half_rerun(event)
  local f = redis.call('HMGET', event, 'handlers', 'pruned')
  return not f[2] and (not f[1] or combined_state(event, names_of(f[1])) == 'open')
end
