-- lease(…): the pieces that claim, renew and finish share. A token is <worker>:<number of the claim>; a worker is a random
-- name, new at each start. What a worker holds is also kept in a set of its own, so that it can be held against what it runs.
--
-- Keys:   those of note, <ns>:held:<worker>, <ns>:blamed:<worker>, <ns>:draining:<worker>
-- Cost:   O(1) each
local DAY = 86400000
local MOST_BLAMES = 1000

local function worker_of(token)
  return token:match('^(.*):')
end

local function hold(ns, worker, id)
  redis.call('SADD', ns .. ':held:' .. worker, id)
  redis.call('PEXPIRE', ns .. ':held:' .. worker, DAY)
end

-- let_go: end a lease, whoever has it. The lease itself goes last: where that fails, its holder may do all of it again.
local function let_go(ns, id, token)
  redis.call('SREM', ns .. ':held:' .. worker_of(token), id)
  redis.call('HDEL', ns .. ':event:' .. id, 'lease', 'lease_until', 'alone')
end

-- blame: a lease lapsed. That counts against the event, unless its worker had announced its stop; a worker that shows up
-- again has not vanished, and takes the blame back (absolve).
local function blame(ns, id, token)
  local worker, event = worker_of(token), ns .. ':event:' .. id
  local announced = redis.call('EXISTS', ns .. ':draining:' .. worker) == 1
  local f = redis.call('HMGET', event, 'blames', 'lapses', 'notes')
  -- Counted once, also where the claim that counted it failed half-way.
  if (f[1] or ''):find(token .. ' ', 1, true) then return end
  if not announced then
    redis.call('SADD', ns .. ':blamed:' .. worker, id)
    redis.call('PEXPIRE', ns .. ':blamed:' .. worker, DAY)
  end
  local lapses = (tonumber(f[2] or '0') or 0) + (announced and 0 or 1)
  local notes = noted(f[3], now_ms(), announced and 'left_behind' or 'lapsed', { worker = worker })
  redis.call('HSET', event, 'blames', ((f[1] or '') .. token .. ' '):sub(-MOST_BLAMES), 'lapses', lapses, 'notes', notes)
end

-- without_worker: the tokens that lapses were counted for, without those of one worker; and whether there was any
local function without_worker(blames, worker)
  local others, any = '', false
  for token in blames:gmatch('%S+') do
    if worker_of(token) == worker then any = true else others = others .. token .. ' ' end
  end
  return others, any
end

local function absolve(ns, worker)
  local blamed = ns .. ':blamed:' .. worker
  if redis.call('EXISTS', blamed) == 0 then return end
  for _, id in ipairs(redis.call('SMEMBERS', blamed)) do
    local event = ns .. ':event:' .. id
    local f = redis.call('TYPE', event).ok == 'hash' and redis.call('HMGET', event, 'blames', 'lapses', 'notes')
    local lapses = f and tonumber(f[2] or '0') or 0
    local blames, taken_back = without_worker(f and f[1] or '', worker)
    if lapses > 0 and taken_back then
      local notes = noted(f[3], now_ms(), 'absolved', { worker = worker })
      redis.call('HSET', event, 'blames', blames, 'lapses', lapses - 1, 'notes', notes)
    end
  end
  redis.call('DEL', blamed)
end
