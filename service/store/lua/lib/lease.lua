-- lease: the pieces that claim, renew and finish share. A token is <worker>:<number of the claim>. A worker is a random
-- name, new at each start. A worker's leases are also in a set of its own, to compare with the events that it runs.
--
-- requires: changes handlers note
-- Keys:   those of note, <ns>:held:<worker>, <ns>:lapsed:<worker>, <ns>:draining:<worker>
-- Cost:   O(1) each
local DAY = 86400000
local MAX_LAPSE_TOKENS = 1000
local MAX_LAPSES = 3
local LEASE_FIELDS = { 'lease', 'lease_until', 'alone', 'lapses', 'lapse_tokens' }
local ADVICE = {
  blocked_event_loop = 'it blocked the event loop at %s each time it ran: call what blocks with await asyncio.to_thread(...), '
    .. 'then retry it',
  killed_worker = 'its worker vanished each time it ran: find out what it does to the process, then retry it',
}

local function worker_of(token)
  return token:match('^(.*):')
end

-- collect_release: collect the end of a lease. It ends last: where that fails, its holder may do all of it again. `ended` says
-- that a handler ended: then the lapses of the event count no longer.
local function collect_release(id, token, ended)
  local held = ':held:' .. worker_of(token)
  if not collected.SREM[held] then departures[#departures + 1] = { 'SREM', held } end
  collect('SREM', held, id)
  afterwards[#afterwards + 1] = function()
    redis.call('HDEL', event_key(id), unpack(LEASE_FIELDS, 1, ended and 5 or 3))
  end
end

-- kill_poison: end handlers of an event that brought down its worker three times, the last time while running alone.
-- `blocked` is {handler, place} where a handler is known to have blocked the event loop. Then that handler is dead. Else
-- those are dead that blocked it before, and where none did, each that has not ended.
local function kill_poison(id, blocked)
  local event = event_key(id)
  local f = redis.call('HMGET', event, 'alone', 'lapses', 'handlers', 'notes', 'blocked')
  local lapses = tonumber(f[2]) or 0
  if not f[1] or lapses < MAX_LAPSES then return end
  -- Where handlers of the event have blocked the event loop, by their names.
  local places, open, guilty, fields = decoded(f[5]) or {}, {}, false, {}
  if blocked then places = { [blocked.handler] = blocked.place } end
  for _, name in ipairs(names_of(f[3]) or {}) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    if handler.state ~= 'done' and handler.state ~= 'dead' then
      open[name], guilty = handler, guilty or places[name]
    end
  end
  for name, handler in pairs(open) do
    handler.state, handler.due, handler.ended_at, handler.blocked_by = 'dead', nil, now, nil
    handler.ran = (tonumber(handler.ran) or 0) + lapses
    handler.reason = places[name] and 'blocked_event_loop' or 'killed_worker'
    handler.error = ADVICE[handler.reason]:format(places[name])
    if places[name] or not guilty then append(fields, 'h:' .. name, cjson.encode(handler)) end
  end
  if #fields > 0 then redis.call('HSET', event, 'notes', noted(f[4], 'suspect_died'), unpack(fields)) end
end

-- record_lapse: count the lapse of a lease against its event, unless its worker had announced its stop. A worker that shows up
-- again has not vanished, and takes it back (clear_lapses).
local function record_lapse(id, token)
  local worker, event = worker_of(token), event_key(id)
  local announced = redis.call('EXISTS', ns .. ':draining:' .. worker) == 1
  local f = redis.call('HMGET', event, 'lapse_tokens', 'lapses', 'notes')
  -- Counted once, also where the claim that counted it failed half-way.
  if (f[1] or ''):find(token .. ' ', 1, true) then return end
  if not announced then
    redis.call('SADD', ns .. ':lapsed:' .. worker, id)
    redis.call('PEXPIRE', ns .. ':lapsed:' .. worker, DAY)
  end
  redis.call('HSET', event, 'lapse_tokens', ((f[1] or '') .. token .. ' '):sub(-MAX_LAPSE_TOKENS),
    'lapses', (tonumber(f[2]) or 0) + (announced and 0 or 1),
    'notes', noted(f[3], announced and 'left_behind' or 'lapsed', { worker = worker }))
end
