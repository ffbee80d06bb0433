-- renew: extend the leases of the events that a worker runs, and end those of overdue ones. It also takes back events that
-- Redis says the worker holds although it does not run them. These are the jobs of a claim whose reply was lost. A lapsed
-- lease that nobody else has taken is extended.
--
-- requires: handler_times lease note order settle silence
-- Keys:   those of settle, lease, silence and handler_times, <ns>:blocked, <ns>:workers
-- ARGV:   worker, lease (ms), answered (number of the last claim that, like all before, was answered),
--         blocked ('' | JSON {seconds, place}: its event loop is blocked), sign (JSON: what it says of itself), times (as for
--         add_times), then for each event that it runs: id, token, action
--         ('extend' | 'overdue': the lease ends, which counts though the worker is alive), about ('' | JSON {handler, place}:
--         what blocks the event loop)
-- Answer: the ids whose lease was lost
-- Cost:   O(events that the worker holds × log queue)
local worker, lease, answered = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST, SILENT_TOO_LONG = 7, 3600000
local lost, runs = {}, {}

-- end_overdue: an event ran longer than it may. Its worker is alive, but the lapse counts, once and for good: under a token that
-- stays below. The lease ends last, so that the repetition of what failed half-way completes it.
local function end_overdue(id, token, about)
  local event, blocked = event_key(id), about ~= '' and cjson.decode(about) or nil
  local f = redis.call('HMGET', event, 'lease', 'lapse_tokens', 'lapses', 'notes', 'blocked')
  local tokens, lapses, places = f[2] or '', tonumber(f[3]) or 0, decoded(f[5]) or {}
  local at, till = tokens:find(token .. ' ', 1, true)
  if f[1] ~= token and not at then return end
  if not tokens:find('overdue/' .. token .. ' ', 1, true) then
    if at then tokens = tokens:sub(1, at - 1) .. tokens:sub(till + 1) end
    local note = { worker = worker, handler = blocked and blocked.handler, place = blocked and blocked.place }
    if blocked then places[blocked.handler] = blocked.place end
    redis.call('HSET', event, 'lapse_tokens', (tokens .. 'overdue/' .. token .. ' '):sub(-MAX_LAPSE_TOKENS),
      'lapses', lapses + (at and 0 or 1), 'notes', noted(f[4], blocked and 'blocked' or 'overdue', note),
      'blocked', cjson.encode(places))
  end
  if f[1] ~= token then return end
  kill_poison(id, blocked)
  collect_release(id, token)
  settle(id, true)
end

-- token_of: the token of an event's lease, false where it has none. A damaged record has none, and hinders no other event.
local function token_of(id)
  local token = redis.pcall('HGET', event_key(id), 'lease')
  return type(token) == 'string' and token
end

for i = FIRST, #ARGV, 4 do
  if ARGV[i + 2] == 'overdue' and redis.call('TYPE', event_key(ARGV[i])).ok == 'hash' then end_overdue(ARGV[i], ARGV[i + 1], ARGV[i + 3]) end
end
-- This worker has not vanished: the lapses of its leases do not count.
for _, id in ipairs(redis.call('SMEMBERS', ns .. ':lapsed:' .. worker)) do
  local event, tokens, any = event_key(id), '', false
  local f = redis.call('TYPE', event).ok == 'hash' and redis.call('HMGET', event, 'lapse_tokens', 'lapses', 'notes') or {}
  local lapses = tonumber(f[2]) or 0
  for token in (f[1] or ''):gmatch('%S+') do
    if worker_of(token) == worker then any = true else tokens = tokens .. token .. ' ' end
  end
  if lapses > 0 and any then
    redis.call('HSET', event, 'lapse_tokens', tokens, 'lapses', lapses - 1,
      'notes', noted(f[3], 'worker_returned', { worker = worker }))
  end
end
redis.call('DEL', ns .. ':lapsed:' .. worker)
for i = FIRST, #ARGV, 4 do
  local id, event = ARGV[i], ns .. ':event:' .. ARGV[i]
  runs[id] = true
  if token_of(id) ~= ARGV[i + 1] then
    lost[#lost + 1] = id
  elseif ARGV[i + 2] == 'extend' then
    redis.call('HSET', event, 'lease_until', now + lease)
    settle(id)
  end
end
for _, id in ipairs(redis.call('SMEMBERS', ns .. ':held:' .. worker)) do
  local token = token_of(id)
  local ours = token and worker_of(token) == worker
  if ours and not runs[id] and tonumber(token:match(':(%d+)$')) <= answered then
    settle(id, true)
    redis.call('HDEL', event_key(id), 'lease', 'lease_until', 'alone')
    ours = false
  end
  if not ours then redis.call('SREM', ns .. ':held:' .. worker, id) end
end
local signs = redis.call('HGETALL', ns .. ':workers')
for i = 1, #signs, 2 do
  local seen = tonumber(signs[i + 1]:match('^(%d+) ')) or 0
  if now - seen > SILENT_TOO_LONG then redis.call('HDEL', ns .. ':workers', signs[i]) end
end
add_times(ARGV[6])
note_silence()
redis.call('HSET', ns .. ':silence', 'alive', now)
redis.call('HSET', ns .. ':workers', worker, string.format('%.0f ', now) .. ARGV[5])
-- A worker that is full claims nothing, and tells here what it runs in order.
if ARGV[5]:find('"ordered":{"', 1, true) then see_ordered(cjson.decode(ARGV[5]).ordered) end
redis.call('HDEL', ns .. ':blocked', worker)
if ARGV[4] ~= '' then
  -- Readers of the queue are to know that events of this worker make no progress.
  local blocked = cjson.decode(ARGV[4])
  local known = { since = now - blocked.seconds * 1000, till = now + lease, place = blocked.place }
  redis.call('HSET', ns .. ':blocked', worker, cjson.encode(known))
  redis.call('PEXPIRE', ns .. ':blocked', lease)
end
return lost
