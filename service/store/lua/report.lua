-- report: what came back from Telnyx changes the causes that concern the call, and the bucket of its product.
--
-- requires: holds
-- Keys:   those of holds, <ns>:failures, <ns>:bucket:<product>
-- ARGV:   event id, word (JSON): {causes = {{name, word = 'lifts' | 'fails' | 'unclear', and of one that fails: interval,
--         longest, quiet (ms), detail, advice, strikes (events that have to fail), within (ms)} …}, and for a send: product,
--         good, limited, wait (ms), limit, limit_lasts (ms)}
-- Answer: {opened, lifted}: names; opened = those to notify people of
-- Cost:   O(causes + events that a lifted one frees × (handlers + log queue))
local event_id, report = ARGV[1], cjson.decode(ARGV[2])
local FREED_AT_ONCE, MAX_PAUSE, UNCLEAR_PAUSE, MAX_BLOCK = 50, 60000, 5000, 3600000
local opened, lifted = {}, {}

-- is_outage: whether so many distinct events have failed within a while, and none has succeeded, that this is an outage
local function is_outage(cause)
  if cause.strikes <= 1 then return true end
  local failures = ns .. ':failures'
  redis.call('ZADD', failures, now, event_id)
  redis.call('ZREMRANGEBYSCORE', failures, '-inf', now - cause.within)
  redis.call('PEXPIRE', failures, cause.within)
  return redis.call('ZCARD', failures) >= cause.strikes
end

-- probe_again: the probe has come back without a success
local function probe_again(key, pause, interval)
  redis.call('HSET', key, 'probe_at', now + pause, 'interval', interval)
  redis.call('HDEL', key, 'ticket', 'prober')
end

local function fails(cause, key, is_open)
  if not is_open then
    if is_outage(cause) and open_block(cause.name, cause) then opened[#opened + 1] = cause.name end
    return
  end
  local f = redis.call('HMGET', key, 'prober', 'interval', 'longest', 'unnotified')
  -- It was opened by a call that failed before anybody was told.
  if f[4] == '1' and mark_notified(cause.name, cause.quiet) then opened[#opened + 1] = cause.name end
  if f[1] ~= event_id then return end
  local interval = math.min(2 * tonumber(f[2]), tonumber(f[3]))
  probe_again(key, interval, interval)
end

local function unclear(key)
  local f = redis.call('HMGET', key, 'prober', 'interval')
  if f[1] == event_id then probe_again(key, math.min(UNCLEAR_PAUSE, tonumber(f[2])), f[2]) end
end

-- Each success frees events of lifted causes, so that they go on even where no worker does the maintenance.
local function lifts(cause, is_open)
  if is_open then
    lift_block(cause.name)
    lifted[#lifted + 1] = cause.name
  end
  release_parked(cause.name, FREED_AT_ONCE)
end

local function update_blocks()
  local any = redis.call('EXISTS', ns .. ':blocks') == 1
  for _, cause in ipairs(report.causes) do
    local key = ns .. ':block:' .. cause.name
    local is_open = any and redis.call('EXISTS', key) == 1
    if cause.word == 'fails' then
      fails(cause, key, is_open)
    elseif is_open and cause.word == 'unclear' then
      unclear(key)
    elseif any and cause.word == 'lifts' then
      lifts(cause, is_open)
    end
  end
end

-- block: no send before a time. The line of those who are to come back grows by what is lost.
local function block(bucket, wait, f, more)
  local before, last_place = tonumber(f[1] or 0), tonumber(f[2] or 0)
  local until_then = now + wait
  -- The server's clock was put back.
  if before > now + MAX_BLOCK then before = 0 end
  if until_then <= before then return end
  local fields = more or {}
  if last_place > now then
    fields[#fields + 1], fields[#fields + 2] = 'new', last_place + until_then - math.max(before, now)
  end
  redis.call('HSET', bucket, 'blocked_until', until_then, unpack(fields))
end

local function update_bucket(bucket)
  local f = redis.call('HMGET', bucket, 'blocked_until', 'new', 'refusals')
  local refusals = tonumber(f[3] or 0)
  if report.wait then
    block(bucket, report.wait, f)
  elseif report.limited and tonumber(f[1] or 0) <= now then
    -- Those that were on their way when the block began count once.
    block(bucket, math.min(1000 * 2 ^ refusals, MAX_PAUSE), f, { 'refusals', math.min(refusals + 1, 10) })
  end
  if report.good and refusals > 0 then redis.call('HDEL', bucket, 'refusals') end
  if report.limit then redis.call('HSET', bucket, 'reported_limit', report.limit, 'reported_until', now + report.limit_lasts) end
  redis.call('PEXPIRE', bucket, 7200000)
end

update_blocks()
if report.alive then redis.call('DEL', ns .. ':failures') end
if report.product then update_bucket(ns .. ':bucket:' .. report.product) end
return { opened, lifted }
