-- blocks: the pieces that open, probe and lift blocks. A block parks work for a reason outside the events: an outage, a wrong
-- API key, a pause. While it is open, one call at a time goes through as a probe. Its parked events are due when it is
-- lifted, which is when its hash is deleted. A block whose `probe_at` is -1 is never probed.
--
-- requires: handlers note settle
-- Keys:   <ns>:block:<name>, <ns>:blocks, <ns>:parked:<name>, <ns>:notified:<name>, and those of settle and note
-- Cost:   O(1) each, but for those that settle events: O(events × (handlers + log queue))

-- mark_notified: note that people are notified of an open block
local function mark_notified(name, quiet)
  redis.call('SET', ns .. ':notified:' .. name, '1', 'PX', quiet)
  redis.call('HSET', ns .. ':block:' .. name, 'unnotified', '')
  return true
end

-- open_block: answers whether people are to be notified: not again and again of one that comes and goes
local function open_block(name, block)
  local notify = redis.call('EXISTS', ns .. ':notified:' .. name) == 0
  redis.call('SADD', ns .. ':blocks', name)
  redis.call('HSET', ns .. ':block:' .. name, 'since', now, 'probe_at', now + block.interval, 'interval', block.interval,
    'longest', block.longest, 'detail', block.detail, 'advice', block.advice, 'unnotified', notify and '1' or '')
  return notify and mark_notified(name, block.quiet)
end

-- release_parked: make up to `most` events due that a lifted block held, the oldest first. Settle sees that it is gone. The block
-- stays listed until nothing is parked for it any more.
local function release_parked(name, most)
  local parked = most > 0 and redis.call('ZRANGE', ns .. ':parked:' .. name, 0, most - 1) or {}
  for _, id in ipairs(parked) do
    settle(id)
    note(id, 'released', { block = name })
    -- After that, so that each that was not released is still found.
    redis.call('ZREM', ns .. ':parked:' .. name, id)
  end
  if redis.call('EXISTS', ns .. ':parked:' .. name) == 0 then redis.call('SREM', ns .. ':blocks', name) end
  return #parked
end

-- unpark_event: let the handlers of an event run again that this block holds. Answers whether there were any.
local function unpark_event(id, name, names)
  local any, _, _, parked = false, combined_state(event_key(id), names)
  for field, handler in pairs(parked or {}) do
    if handler.blocked_by == name then
      redis.call('HSET', event_key(id), field, unparked(handler))
      any = true
    end
  end
  settle(id)
  if any then return true end
  -- Released by a call that failed before it settled the event: it is due now.
  redis.call('ZREM', ns .. ':parked:' .. name, id)
  local score = redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id)
  return score and tonumber(score) <= now
end

-- start_probe: make the oldest event due that an open block holds, unless a worker has it. Answers how many.
local function start_probe(name)
  local MAX_SCANNED = 20
  for _, id in ipairs(redis.call('ZRANGE', ns .. ':parked:' .. name, 0, MAX_SCANNED - 1)) do
    local f = redis.call('HMGET', event_key(id), 'handlers', 'lease', 'lease_until')
    if not f[1] then
      redis.call('ZREM', ns .. ':parked:' .. name, id)
    elseif not (f[2] and (tonumber(f[3]) or 0) > now) and unpark_event(id, name, names_of(f[1])) then
      return 1
    end
  end
  return 0
end
