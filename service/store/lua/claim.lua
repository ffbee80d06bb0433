-- claim: take due events under one lease. The score of each moves to the lease's end, so that the events of a crashed
-- worker come due by themselves. The handlers of an event are fixed here, when it is claimed for the first time.
--
-- Keys:   those of settle
-- ARGV:   ns, token (random, new for each claim), lease (ms), limit, routes (JSON: handler name → its event types),
--         optionally one event id: then only this one
-- Answer: {claimed, foreign, wait, now}: claimed = for each event {id, field, value, field, value …}; foreign = ids of due jobs in
--         the queue that are no events of ours (cron jobs and other arq functions); wait = ms until the next job is due, -1
--         where there is none; now = the server's time (ms)
-- Cost:   O(limit × (log queue + record))
local ns, token, lease, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
local prefix = ns .. ':'
local routes = cjson.decode(ARGV[5])

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

local function take(id, event)
  local f = redis.call('HMGET', event, 'lease', 'lease_until', 'handlers', 'type', 'state')
  if f[5] ~= 'open' or (f[1] and tonumber(f[2]) > now) then
    settle(ns, id, now)
    return false
  end
  if not f[3] then redis.call('HSET', event, 'handlers', subscribed(f[4])) end
  redis.call('HSET', event, 'lease', token, 'lease_until', now + lease)
  settle(ns, id, now)
  return true
end

local jobs
if ARGV[6] then
  jobs = { prefix .. ARGV[6] }
else
  jobs = redis.call('ZRANGEBYSCORE', ns .. ':queue', '-inf', now, 'LIMIT', 0, limit)
end

local claimed, foreign = {}, {}
for _, job in ipairs(jobs) do
  local id = job:sub(#prefix + 1)
  local event = ns .. ':event:' .. id
  if job:sub(1, #prefix) ~= prefix or redis.call('EXISTS', event) == 0 then
    foreign[#foreign + 1] = job
  elseif take(id, event) then
    local record = redis.call('HGETALL', event)
    table.insert(record, 1, id)
    claimed[#claimed + 1] = record
  end
end
local next = redis.call('ZRANGE', ns .. ':queue', 0, 0, 'WITHSCORES')
local wait = next[2] and math.max(0, tonumber(next[2]) - now) or -1
return { claimed, foreign, wait, now }
