-- admission: when a call may go to Telnyx. A send is given a slot such that no window of a second holds more of them than the
-- limit. Where the next slot is too far off, the send gets a place in a line. There are two lines: requeued sends go before
-- new ones.
--
-- A send that reads something at Telnyx first looks ahead. It takes no slot, but is counted among the expected sends. So of
-- many that look at once only those read that can soon send.
--
-- asked = event, ticket, blocks (names), product ('' where no limit concerns it), limit (a second).
--         Also: requeued (it was deferred before), max_wait (ms until the slot).
-- Keys:   <ns>:block:<name>, <ns>:blocks, <ns>:failures, <ns>:bucket:<product>, <ns>:slots:<product>, <ns>:lookahead:<product>
--         (sorted set: ids of events that looked ahead, by the time at which they are given up, ms)
-- Cost:   O(blocks + limit + expected sends)

-- Telnyx counts arrivals, and on the way one may be faster than another.
local GUARD = 150
local MAX_LINE, MAX_BLOCK, LOOKAHEAD_TIME = 900000, 3600000, 5000

-- exact_now: ms with a fraction: slots of one ms are in an order
local function exact_now() return time[1] * 1000 + time[2] / 1000 end

-- find_blocks: the keys of the open blocks that this call would be the probe of. Where a block holds it: nil, and the answer.
-- Last: whether no block and no failure is known.
local function find_blocks(asked, now)
  local probed = {}
  if redis.call('EXISTS', ns .. ':blocks', ns .. ':failures') == 0 then return probed, nil, true end
  for _, name in ipairs(asked.blocks) do
    local key = ns .. ':block:' .. name
    local f = redis.call('HMGET', key, 'probe_at', 'ticket', 'detail', 'advice')
    local probe_at = tonumber(f[1] or now)
    if (probe_at < 0 or probe_at > now) and f[2] ~= asked.ticket then return nil, { 'blocked', name, f[3], f[4] } end
    if f[1] then append(probed, key) end
  end
  return probed
end

-- next_slot: the earliest slot once `before` others have theirs, and whether slots are in demand. They are where the last
-- `most` were taken within twice the least time. Slots in the future are spaced evenly.
local function next_slot(slots, asked, before, blocked_until, most, window, now)
  local length = redis.call('LLEN', slots)
  local last = length > 0 and tonumber(redis.call('LINDEX', slots, -1))
  if last and last > now + asked.max_wait + 1000 then
    -- The server's clock was put back.
    redis.call('DEL', slots)
    last, length = nil, 0
  end
  if length > most then redis.call('LTRIM', slots, -most, -1) end
  length = math.min(length, most)
  local taken = length + before >= most and redis.call('LRANGE', slots, 0, before)
  local slot, first, theirs = nil, nil, {}
  for i = 0, before do
    local at = length + i - most + 1
    first = at > 0 and tonumber(at > length and theirs[at - length] or taken[at])
    slot = math.max(now, blocked_until, last or now, first and first + window or now)
    if last and slot > now then slot = math.max(slot, last + window / most) end
    theirs[#theirs + 1], last = slot, slot
  end
  return slot, first and first > now - 2 * window
end

-- find_slot: {'granted', ms until the slot, slot} or {'deferred', ms}. The former comes with the list to note the slot in and
-- for how long (ms). The last is whether Telnyx has named a limit or refused for one. `before` others are to send first.
local function find_slot(asked, before, now)
  local bucket, slots = ns .. ':bucket:' .. asked.product, ns .. ':slots:' .. asked.product
  local f = redis.call('HMGET', bucket, 'blocked_until', 'reported_limit', 'reported_until', 'last_new', 'last_requeued', 'refusals')
  local blocked_until, last_new, last_requeued = tonumber(f[1] or now), tonumber(f[4] or now), tonumber(f[5] or now)
  -- Nobody is blocked for longer than that: the server's clock was put back.
  if blocked_until > now + MAX_BLOCK then blocked_until = now end
  -- Any window of so many ms may hold `most` slots. A lower limit of Telnyx's counts for a while.
  local limit = math.min(asked.limit, f[2] and tonumber(f[3]) > now and tonumber(f[2]) or math.huge)
  local most, window = math.max(1, math.floor(limit)), 1000 / math.min(limit, 1) + GUARD
  local slot, in_demand = next_slot(slots, asked, before, blocked_until, most, window, now)
  -- A line may be longer than its members: some will never come back.
  local others_first = not asked.requeued and in_demand and math.max(last_new, last_requeued) > slot
  if slot <= now + asked.max_wait and not others_first then
    return { 'granted', math.ceil(slot - now), string.format('%.3f', slot) }, slots, math.ceil(asked.max_wait + 2 * window),
      limit < asked.limit or f[6]
  end
  -- The end of the line. Nobody is sent further than the longest line, so that a limit that was raised soon counts for all.
  local place = math.min(math.max(asked.requeued and last_requeued or last_new, slot) + window / most, now + MAX_LINE)
  redis.call('HSET', bucket, asked.requeued and 'last_requeued' or 'last_new', place)
  redis.call('PEXPIRE', bucket, 2 * MAX_BLOCK)
  return { 'deferred', math.ceil(place - now) }
end

-- look_ahead: the answer of acquire to a send, but nothing is taken. With 'granted' comes '1' where no block and no failure
-- is known. A read that succeeds then has nothing to ask and nothing to report.
local function look_ahead(asked, now)
  local _, blocked, calm = find_blocks(asked, now)
  if blocked then return blocked end
  local expected = ns .. ':lookahead:' .. asked.product
  local before = redis.call('ZCARD', expected)
  if before > 0 then
    before = before - redis.call('ZREMRANGEBYSCORE', expected, '-inf', now) - redis.call('ZREM', expected, asked.event)
  end
  local answer = find_slot(asked, before, now)
  if answer[1] ~= 'granted' then return answer end
  redis.call('ZADD', expected, now + LOOKAHEAD_TIME, asked.event)
  redis.call('PEXPIRE', expected, LOOKAHEAD_TIME)
  return { 'granted', 0, calm and '1' or '' }
end
