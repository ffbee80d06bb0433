-- report: update the blocks that concern a call, and the bucket of its product, after Telnyx's answer to the call.
--
-- requires: blocks
-- Keys:   those of lib/blocks, <ns>:failures, <ns>:bucket:<product>
-- ARGV:   event id, report (JSON): {signals = {{name, outcome = 'lifts' | 'fails' | 'stays' | 'unclear', and of one that fails: interval,
--         longest, quiet (ms), detail, advice, strikes (events that have to fail), within (ms)} …}, alive (whether Telnyx answered, and
--         not with 5xx: that ends a row of failures), and for a send: product,
--         good, limited, wait (ms), limit, limit_lasts (ms), longest_pause (ms, without `wait`)}
-- Answer: {opened, lifted, kept}: names; opened = those to notify people of, kept = those that a reading of the API holds
-- Cost:   O(blocks + events that a lifted one releases × (handlers + log queue))
local event_id, report = ARGV[1], cjson.decode(ARGV[2])
local RELEASED_AT_ONCE, UNCLEAR_PAUSE, MAX_BLOCK = 50, 5000, 3600000
local opened, lifted, kept = {}, {}, {}
local calm = redis.call('EXISTS', ns .. ':blocks', ns .. ':failures') == 0

-- is_outage: whether so many distinct events have failed within a while, and none has succeeded, that this is an outage
local function is_outage(signal)
  if signal.strikes <= 1 then return true end
  local failures = ns .. ':failures'
  redis.call('ZADD', failures, now, event_id)
  redis.call('ZREMRANGEBYSCORE', failures, '-inf', now - signal.within)
  redis.call('PEXPIRE', failures, signal.within)
  return redis.call('ZCARD', failures) >= signal.strikes
end

-- fail: a call failed, or it is `unclear` whether it did. Without a success of its probe an open block is probed again later.
local function fail(signal, key, unclear)
  local f = redis.call('HMGET', key, 'prober', 'interval', 'longest', 'unnotified')
  -- It was opened by a call that failed before anybody was notified.
  if not unclear and f[4] == '1' and mark_notified(signal.name, signal.quiet) then append(opened, signal.name) end
  if f[1] ~= event_id then return end
  local interval = unclear and tonumber(f[2]) or math.min(2 * tonumber(f[2]), tonumber(f[3]))
  redis.call('HSET', key, 'probe_at', now + math.min(interval, unclear and UNCLEAR_PAUSE or interval), 'interval', interval)
  redis.call('HDEL', key, 'ticket', 'prober')
end

local function update_blocks()
  local any = not calm and redis.call('EXISTS', ns .. ':blocks') == 1
  for _, signal in ipairs(report.signals) do
    local name, key = signal.name, ns .. ':block:' .. signal.name
    local is_open = any and redis.call('EXISTS', key) == 1
    local held = is_open and redis.call('HGET', key, 'held') == '1'
    if held and signal.outcome == 'lifts' then append(kept, name) end
    if is_open and signal.outcome == 'lifts' and not held then
      redis.call('DEL', key)
      append(lifted, name)
    elseif is_open then
      fail(signal, key, signal.outcome == 'unclear')
    elseif signal.outcome == 'fails' and is_outage(signal) and open_block(name, signal) then
      append(opened, name)
    end
    -- Each success releases events of lifted blocks, so that they go on even where no worker does the maintenance.
    if any and signal.outcome == 'lifts' and not held then release_parked(name, RELEASED_AT_ONCE) end
  end
end

-- keep: write fields of a bucket. None of them matters for longer than its end.
local function keep(bucket, ...)
  redis.call('HSET', bucket, ...)
  redis.call('PEXPIRE', bucket, 2 * MAX_BLOCK)
end

-- block: no send before a time. The line of requeued sends grows by the lost time.
local function block(bucket, wait, f, refusals)
  local before, last_place, till = tonumber(f[1] or now), tonumber(f[2] or now), now + wait
  -- The server's clock was put back.
  if before > now + MAX_BLOCK then before = now end
  if till <= before then return end
  local fields = refusals and { 'refusals', refusals } or {}
  if last_place > now then append(fields, 'last_new', last_place + till - math.max(before, now)) end
  keep(bucket, 'blocked_until', till, unpack(fields))
end

local function update_bucket(bucket)
  local f = redis.call('HMGET', bucket, 'blocked_until', 'last_new', 'refusals')
  local refusals = tonumber(f[3] or 0)
  if report.wait then
    block(bucket, report.wait, f)
  elseif report.limited and tonumber(f[1] or now) <= now then
    -- Those that were on their way when the block began count once.
    block(bucket, math.min(1000 * 2 ^ refusals, report.longest_pause), f, math.min(refusals + 1, 10))
  end
  if report.good and refusals > 0 then redis.call('HDEL', bucket, 'refusals') end
  if report.limit then keep(bucket, 'reported_limit', report.limit, 'reported_until', now + report.limit_lasts) end
end

update_blocks()
if report.alive and not calm then redis.call('DEL', ns .. ':failures') end
if report.product then update_bucket(ns .. ':bucket:' .. report.product) end
return { opened, lifted, kept }
