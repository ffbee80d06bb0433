-- renew: extend the leases of what a worker runs, end those that it gives up, and take back what Redis says it holds although it
-- does not run it: the jobs of a claim whose reply was lost. A lease that lapsed and that nobody else has taken is ours again.
--
-- requires: lease note settle
-- Keys:   those of settle and lease, <ns>:blocked
-- ARGV:   worker, lease (ms), settled (number of the last claim that, like all before, was answered),
--         blocked ('' | JSON {seconds, place}: its event loop is blocked), then for each event that it runs: id, token, wish
--         ('extend' | 'overdue': the lease ends, which counts though the worker is alive), about ('' | JSON {handler, place}:
--         what blocks the event loop)
-- Answer: the ids whose lease was lost
-- Cost:   O(events that the worker holds × log queue)
local worker, lease, settled = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST = 5
local lost, runs = {}, {}

-- record_overdue: count a lapse, once, for good: under a token that is not absolved
local function record_overdue(event, token, blocked)
  local f = redis.call('HMGET', event, 'lapse_tokens', 'lapses', 'notes')
  local lapse_tokens, known = f[1] or '', blocked_places(event)
  if lapse_tokens:find('overdue/' .. token .. ' ', 1, true) then return end
  local at, till = lapse_tokens:find(token .. ' ', 1, true)
  local lapses = (tonumber(f[2] or '0') or 0) + (at and 0 or 1)
  if at then lapse_tokens = lapse_tokens:sub(1, at - 1) .. lapse_tokens:sub(till + 1) end
  local about = { worker = worker, handler = blocked and blocked.handler, place = blocked and blocked.place }
  if blocked then known[blocked.handler] = blocked.place end
  redis.call('HSET', event, 'lapse_tokens', (lapse_tokens .. 'overdue/' .. token .. ' '):sub(-MAX_LAPSE_TOKENS), 'lapses', lapses,
    'notes', noted(f[3], blocked and 'blocked' or 'overdue', about), 'blocked', cjson.encode(known))
end

-- overdue: an event ran longer than it may. That the worker is alive does not speak for it: the lapse stays. The lease ends last,
-- so that the repetition of what failed half-way completes it.
local function overdue(id, token, about)
  local event = ns .. ':event:' .. id
  local blocked = about ~= '' and cjson.decode(about) or nil
  local f = redis.call('HMGET', event, 'lease', 'lapse_tokens')
  local ours = f[1] == token
  if not ours and not (f[2] or ''):find(token .. ' ', 1, true) then return end
  record_overdue(event, token, blocked)
  if not ours then return end
  kill_poison_if_hopeless(id, blocked)
  settle(id, false, true)
  redis.call('HDEL', event, 'lease', 'lease_until', 'alone')
  redis.call('SREM', ns .. ':held:' .. worker, id)
end

-- publish_blocked: who reads the queue is to know that what this worker holds makes no progress
local function publish_blocked()
  if ARGV[4] == '' then
    redis.call('HDEL', ns .. ':blocked', worker)
    return
  end
  local told = cjson.decode(ARGV[4])
  local known = { since = now - told.seconds * 1000, till = now + lease, place = told.place }
  redis.call('HSET', ns .. ':blocked', worker, cjson.encode(known))
  redis.call('PEXPIRE', ns .. ':blocked', lease)
end

for i = FIRST, #ARGV, 4 do
  if ARGV[i + 2] == 'overdue' then overdue(ARGV[i], ARGV[i + 1], ARGV[i + 3]) end
end
clear_lapses(worker)
for i = FIRST, #ARGV, 4 do
  local id, event = ARGV[i], ns .. ':event:' .. ARGV[i]
  runs[id] = true
  if redis.call('HGET', event, 'lease') ~= ARGV[i + 1] then
    lost[#lost + 1] = id
  elseif ARGV[i + 2] == 'extend' then
    redis.call('HSET', event, 'lease_until', now + lease)
    settle(id)
  end
end
for _, id in ipairs(redis.call('SMEMBERS', ns .. ':held:' .. worker)) do
  local token = redis.call('HGET', ns .. ':event:' .. id, 'lease')
  if not token or worker_of(token) ~= worker then
    redis.call('SREM', ns .. ':held:' .. worker, id)
  elseif not runs[id] and tonumber(token:match(':(%d+)$')) <= settled then
    settle(id, false, true)
    redis.call('HDEL', ns .. ':event:' .. id, 'lease', 'lease_until', 'alone')
    redis.call('SREM', ns .. ':held:' .. worker, id)
  end
end
publish_blocked()
return lost
