-- claim: take due events under one lease. The score of each moves to the lease's end, so that the events of a crashed worker
-- come due without help. The handlers of an event are fixed here, when it is claimed for the first time. An event whose
-- lease lapsed twice is a suspect, and given only to a worker that runs nothing else; lapsed once more while alone, it is dead.
-- A claim whose reply was lost is repeated under its number, and answered with what it took then.
--
-- requires: handlers lease quarantine_record settle
-- Keys:   those of settle, lease and quarantine_record, <ns>:claim:<worker>, <ns>:paused
-- ARGV:   worker, number of the claim, lease (ms), limit, alone ('1': the worker runs nothing else), routes (JSON:
--         handler name → its event types), optionally one event id: then only this one
-- Answer: {claimed, foreign, wait, now, suspects, paused, damaged}: claimed = for each event {id, field, value, field, value …}; foreign = ids
--         of due jobs in the queue that are no events of ours; wait = ms until the next job is due, -1 where there is none; now =
--         the server's time (ms); suspects = how many were passed over; paused = handlers that are paused;
--         damaged = ids of events that were ended because their records are damaged
-- Cost:   O(limit × (log queue + record))
local worker, number, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, alone, routes = tonumber(ARGV[4]), ARGV[5] == '1', cjson.decode(ARGV[6])
local prefix, token = ns .. ':', worker .. ':' .. number
local POISON_SUSPECT, MAX_SKIPPED, MAX_SCANNED = 2, 500, 5000
local claimed, foreign, suspects, damaged = {}, {}, 0, {}

local function fits(pattern, type)
  if pattern == '*' or pattern == type then return true end
  return pattern:sub(-2) == '.*' and type:sub(1, #pattern - 1) == pattern:sub(1, -2)
end

local function subscribed(type)
  local names = {}
  for name, patterns in pairs(routes) do
    for _, pattern in ipairs(patterns) do
      if fits(pattern, type) then
        names[#names + 1] = name
        break
      end
    end
  end
  table.sort(names)
  return #names > 0 and cjson.encode(names) or '[]'
end

local function add_record(id, event)
  local record = redis.call('HGETALL', event)
  table.insert(record, 1, id)
  claimed[#claimed + 1] = record
end

-- claimability: 'free' to be taken, 'suspect' to be taken alone, 'own' to be renewed or given up by this worker's own renewal, or
-- 'settle': not for anybody now. A lapsed lease is ended.
local function claimability(id, event)
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until')
  if f[1] ~= 'open' or (f[2] and (tonumber(f[3]) or 0) > now) then return 'settle' end
  if f[2] then
    if worker_of(f[2]) == worker then return 'own' end
    record_lapse(id, f[2])
    kill_poison_if_hopeless(id)
    release_lease(id, f[2])
    if combined_state(event, names_of(redis.call('HGET', event, 'handlers'))) ~= 'open' then return 'settle' end
  end
  return (tonumber(redis.call('HGET', event, 'lapses') or '0') or 0) >= POISON_SUSPECT and 'suspect' or 'free'
end

local function take(id, event, more)
  local handlers = redis.call('HGET', event, 'handlers') or subscribed(redis.call('HGET', event, 'type'))
  if not names_of(handlers) then error('its list of handlers cannot be read') end
  -- Noted as held before it is: the repetition of this claim looks for what it took among these.
  hold(worker, id)
  redis.call('HSET', event, 'handlers', handlers, 'lease', token, 'lease_until', now + lease, unpack(more or {}))
  settle(id)
  add_record(id, event)
end

-- try_claim: take a due job if it may be taken. Answers whether it is still due, and whether nothing more may be taken.
local function try_claim(job)
  local id = job:sub(#prefix + 1)
  local event = ns .. ':event:' .. id
  if job:sub(1, #prefix) ~= prefix or redis.call('EXISTS', event) == 0 then
    if redis.call('EXISTS', 'arq:in-progress:' .. job) == 0 then foreign[#foreign + 1] = job end
    return true, false
  end
  local claimable = claimability(id, event)
  if claimable == 'own' then return true, false end
  if claimable == 'settle' then
    settle(id)
  elseif claimable == 'free' then
    take(id, event)
  elseif alone and #claimed == 0 then
    take(id, event, { 'alone', '1' })
    return false, true
  else
    suspects = suspects + 1
    settle(id, true)
    return true, false
  end
  return false, false
end

-- try_claim_safely: a damaged record ends alone, and hinders no other event
local function try_claim_safely(job)
  local fine, still_due, enough = pcall(try_claim, job)
  if fine then return still_due, enough end
  local id = job:sub(#prefix + 1)
  if not is_damage(ns .. ':event:' .. id, still_due) then error(still_due) end
  quarantine_record(id)
  damaged[#damaged + 1] = id
  return false, false
end

-- claim_due: page after page, since what stays due without being taken must not hide what comes after it
local function claim_due()
  local passed, looked = 0, 0
  repeat
    local jobs = ARGV[7] and { prefix .. ARGV[7] }
      or redis.call('ZRANGEBYSCORE', ns .. ':queue', '-inf', now, 'LIMIT', passed, limit - #claimed)
    looked = looked + #jobs
    for _, job in ipairs(jobs) do
      local still_due, enough = try_claim_safely(job)
      if still_due then passed = passed + 1 end
      if enough then return end
    end
  until ARGV[7] or #jobs == 0 or #claimed >= limit or passed >= MAX_SKIPPED or looked >= MAX_SCANNED
end

local function repeat_claim()
  for _, id in ipairs(redis.call('SMEMBERS', ns .. ':held:' .. worker)) do
    local event = ns .. ':event:' .. id
    local f = redis.call('HMGET', event, 'lease', 'lease_until')
    if f[1] == token and (tonumber(f[2]) or 0) > now then
      settle(id)
      add_record(id, event)
    end
  end
end

if redis.call('GET', ns .. ':claim:' .. worker) == number then
  repeat_claim()
  -- It took nothing, or failed before it did.
  if #claimed == 0 then claim_due() end
else
  redis.call('SET', ns .. ':claim:' .. worker, number, 'PX', DAY)
  claim_due()
end
local next = redis.call('ZRANGE', ns .. ':queue', 0, 0, 'WITHSCORES')
local wait = next[2] and math.max(0, tonumber(next[2]) - now) or -1
return { claimed, foreign, wait, now, suspects, redis.call('SMEMBERS', ns .. ':paused'), damaged }
