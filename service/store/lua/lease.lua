-- lease(…): the pieces that claim, renew and finish share. A token is <worker>:<number of the claim>; a worker is a random
-- name, new at each start. What a worker holds is also kept in a set of its own, so that it can be held against what it runs.
--
-- Keys:   those of note, <ns>:held:<worker>, <ns>:blamed:<worker>, <ns>:draining:<worker>
-- Cost:   O(1) each
local DAY = 86400000

local function worker_of(token)
  return token:match('^(.*):')
end

local function hold(ns, worker, id)
  redis.call('SADD', ns .. ':held:' .. worker, id)
  redis.call('PEXPIRE', ns .. ':held:' .. worker, DAY)
end

-- let_go: end a lease, whoever has it; the caller settles the event
local function let_go(ns, id, token)
  redis.call('HDEL', ns .. ':event:' .. id, 'lease', 'lease_until', 'alone')
  redis.call('SREM', ns .. ':held:' .. worker_of(token), id)
end

-- blame: a lease lapsed. That counts against the event, unless its worker had announced its stop; a worker that shows up
-- again has not vanished, and takes the blame back (absolve).
local function blame(ns, id, token)
  local worker = worker_of(token)
  local announced = redis.call('EXISTS', ns .. ':draining:' .. worker) == 1
  note(ns, id, now_ms(), announced and 'left_behind' or 'lapsed', { worker = worker })
  if announced then return end
  redis.call('HINCRBY', ns .. ':event:' .. id, 'lapses', 1)
  redis.call('SADD', ns .. ':blamed:' .. worker, id)
  redis.call('PEXPIRE', ns .. ':blamed:' .. worker, DAY)
end

local function absolve(ns, worker)
  local blamed = ns .. ':blamed:' .. worker
  if redis.call('EXISTS', blamed) == 0 then return end
  for _, id in ipairs(redis.call('SMEMBERS', blamed)) do
    local event = ns .. ':event:' .. id
    if redis.call('TYPE', event).ok == 'hash' and (tonumber(redis.call('HGET', event, 'lapses') or '0') or 0) > 0 then
      redis.call('HINCRBY', event, 'lapses', -1)
      note(ns, id, now_ms(), 'absolved', { worker = worker })
    end
  end
  redis.call('DEL', blamed)
end
