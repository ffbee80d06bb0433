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
local SUSPECT, MOST_PASSED, MOST_LOOKED_AT = 2, 500, 5000
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

local function give(id, event)
  local record = redis.call('HGETALL', event)
  table.insert(record, 1, id)
  claimed[#claimed + 1] = record
end

-- verdict_on: 'free' to be taken, 'suspect' to be taken alone, 'own' to be renewed or given up by this worker's own renewal, or
-- 'settle': not for anybody now. A lapsed lease is ended.
local function verdict_on(id, event)
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until')
  if f[1] ~= 'open' or (f[2] and (tonumber(f[3]) or 0) > now) then return 'settle' end
  if f[2] then
    if worker_of(f[2]) == worker then return 'own' end
    blame(id, f[2])
    condemn_if_hopeless(id)
    let_go(id, f[2])
    if verdict(event, names_of(redis.call('HGET', event, 'handlers'))) ~= 'open' then return 'settle' end
  end
  return (tonumber(redis.call('HGET', event, 'lapses') or '0') or 0) >= SUSPECT and 'suspect' or 'free'
end

local function take(id, event, more)
  local handlers = redis.call('HGET', event, 'handlers') or subscribed(redis.call('HGET', event, 'type'))
  if not names_of(handlers) then error('its list of handlers cannot be read') end
  -- Noted as held before it is: the repetition of this claim looks for what it took among these.
  hold(worker, id)
  redis.call('HSET', event, 'handlers', handlers, 'lease', token, 'lease_until', now + lease, unpack(more or {}))
  settle(id)
  give(id, event)
end

-- consider: take a due job if it may be taken. Answers whether it is still due, and whether nothing more may be taken.
local function consider(job)
  local id = job:sub(#prefix + 1)
  local event = ns .. ':event:' .. id
  if job:sub(1, #prefix) ~= prefix or redis.call('EXISTS', event) == 0 then
    if redis.call('EXISTS', 'arq:in-progress:' .. job) == 0 then foreign[#foreign + 1] = job end
    return true, false
  end
  local verdict = verdict_on(id, event)
  if verdict == 'own' then return true, false end
  if verdict == 'settle' then
    settle(id)
  elseif verdict == 'free' then
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

-- consider_alone: a damaged record ends alone, and hinders no other event
local function consider_alone(job)
  local fine, still_due, enough = pcall(consider, job)
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
      local still_due, enough = consider_alone(job)
      if still_due then passed = passed + 1 end
      if enough then return end
    end
  until ARGV[7] or #jobs == 0 or #claimed >= limit or passed >= MOST_PASSED or looked >= MOST_LOOKED_AT
end

local function repeat_claim()
  for _, id in ipairs(redis.call('SMEMBERS', ns .. ':held:' .. worker)) do
    local event = ns .. ':event:' .. id
    local f = redis.call('HMGET', event, 'lease', 'lease_until')
    if f[1] == token and (tonumber(f[2]) or 0) > now then
      settle(id)
      give(id, event)
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
