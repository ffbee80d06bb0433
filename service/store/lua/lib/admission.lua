-- admission: when a call may go to Telnyx. A send is given a slot such that no window of a second holds more of them than the
-- limit. Where the next slot is too far off, it is given a place in a line instead, to come back at: there are two, and who
-- comes back goes before who is new.
--
-- A send that reads something at Telnyx first looks ahead: it takes no slot, but is counted among those that come, so that
-- of many that look at once only so many read as can soon send.
--
-- asked = {event, ticket, causes (names), product ('': no limit concerns it), limit (a second), back (it was put off before),
--         patience (ms until the slot)}
-- Keys:   <ns>:block:<name>, <ns>:blocks, <ns>:failures, <ns>:bucket:<product>, <ns>:slots:<product>, <ns>:lookahead:<product>
--         (sorted set: ids of events that looked ahead, by the time at which they are given up, ms)
-- Cost:   O(causes + limit + those that come)

-- Telnyx counts what arrives, and on the way one may be faster than another.
local GUARD = 150
local MAX_LINE, MAX_BLOCK, LOOKAHEAD_TIME = 900000, 3600000, 5000

-- exact_now: ms with a fraction: slots of one ms are in an order
local function exact_now() return time[1] * 1000 + time[2] / 1000 end

-- find_blocks: the open causes that this call would be the probe of; or the one that holds it
local function find_blocks(asked, now)
  local probed = {}
  for _, name in ipairs(asked.causes) do
    local f = redis.call('HMGET', ns .. ':block:' .. name, 'probe_at', 'ticket', 'detail', 'advice')
    if f[1] then
      local probe_at = tonumber(f[1])
      if (probe_at < 0 or probe_at > now) and f[2] ~= asked.ticket then return nil, { 'blocked', name, f[3], f[4] } end
      probed[#probed + 1] = ns .. ':block:' .. name
    end
  end
  return probed
end

-- rate: how many slots (`most`) any window of so many ms may hold. A lower limit of Telnyx's counts for a while.
local function rate(f, limit, now)
  if f[2] and tonumber(f[3]) > now then limit = math.min(limit, tonumber(f[2])) end
  if limit < 1 then return 1, 1000 / limit + GUARD end
  return math.floor(limit), 1000 + GUARD
end

-- next_slot: the earliest once `before` others have theirs, and whether slots are in demand: the last `most` were taken within
-- twice the least time. Slots in the future are spaced evenly.
local function next_slot(slots, asked, before, blocked_until, most, window, now)
  local last = tonumber(redis.call('LINDEX', slots, -1))
  if last and last > now + asked.patience + 1000 then
    -- The server's clock was put back.
    redis.call('DEL', slots)
    last = nil
  end
  redis.call('LTRIM', slots, -most, -1)
  local taken, length = redis.call('LRANGE', slots, 0, before), redis.call('LLEN', slots)
  local slot, first, theirs = nil, nil, {}
  for i = 0, before do
    local at = length + i - most + 1
    first = at > 0 and tonumber(at > length and theirs[at - length] or taken[at])
    slot = math.max(now, blocked_until, last or 0, first and first + window or 0)
    if last and slot > now then slot = math.max(slot, last + window / most) end
    theirs[#theirs + 1], last = slot, slot
  end
  return slot, first and first > now - 2 * window
end

-- put_off: a place of its own at the end of a line. Nobody is sent further than the longest line, so that a limit that was
-- raised soon counts for all.
local function put_off(bucket, line, last_place, slot, pace, now)
  local place = math.min(math.max(last_place, slot) + pace, now + MAX_LINE)
  redis.call('HSET', bucket, line, place)
  redis.call('PEXPIRE', bucket, 2 * MAX_BLOCK)
  return { 'deferred', math.ceil(place - now) }
end

-- find_slot: {'granted', ms until the slot, slot} with the list that it is to be noted in and for how long (ms), or {'deferred', ms};
-- `before` others are to send first
local function find_slot(asked, before, now)
  local bucket, slots = ns .. ':bucket:' .. asked.product, ns .. ':slots:' .. asked.product
  local f = redis.call('HMGET', bucket, 'blocked_until', 'reported_limit', 'reported_until', 'new', 'back')
  -- Nobody is blocked for longer than that: the server's clock was put back.
  if tonumber(f[1] or 0) > now + MAX_BLOCK then f[1] = 0 end
  local most, window = rate(f, asked.limit, now)
  local slot, in_demand = next_slot(slots, asked, before, tonumber(f[1] or 0), most, window, now)
  local new, back = tonumber(f[4] or 0), tonumber(f[5] or 0)
  -- A line may be longer than those who stand in it: some will never come back.
  local others_first = not asked.back and in_demand and math.max(new, back) > slot
  if slot > now + asked.patience or others_first then
    if asked.back then return put_off(bucket, 'back', back, slot, window / most, now) end
    return put_off(bucket, 'new', new, slot, window / most, now)
  end
  return { 'granted', math.ceil(slot - now), string.format('%.3f', slot) }, slots, math.ceil(asked.patience + 2 * window)
end

-- admit: whether a call may go, and when; its slot is taken, and the causes that it is the probe of know it
local function admit(asked, unused, probe_patience, now)
  local probed, held = find_blocks(asked, now)
  if held then return held end
  local answer, slots, keep = { 'granted', 0, '' }, nil, nil
  if asked.product ~= '' then
    if unused ~= '' then redis.call('LREM', ns .. ':slots:' .. asked.product, -1, unused) end
    -- It came before the present members of the line.
    asked.back = redis.call('ZREM', ns .. ':lookahead:' .. asked.product, asked.event) == 1 or asked.back
    answer, slots, keep = find_slot(asked, 0, now)
  end
  if answer[1] ~= 'granted' then return answer end
  if slots then
    redis.call('RPUSH', slots, answer[3])
    redis.call('PEXPIRE', slots, keep)
  end
  for _, cause in ipairs(probed) do
    redis.call('HSET', cause, 'ticket', asked.ticket, 'prober', asked.event, 'probe_at', math.ceil(now + probe_patience))
  end
  return answer
end

-- look_ahead: what admit would answer to a send; nothing is taken. With 'granted' comes '1' where no cause and no failure is known
-- at all: a read that succeeds then has nothing to ask and nothing to tell.
local function look_ahead(asked, now)
  local _, held = find_blocks(asked, now)
  if held then return held end
  local coming = ns .. ':lookahead:' .. asked.product
  redis.call('ZREMRANGEBYSCORE', coming, '-inf', now)
  redis.call('ZREM', coming, asked.event)
  local answer = find_slot(asked, redis.call('ZCARD', coming), now)
  if answer[1] ~= 'granted' then return answer end
  redis.call('ZADD', coming, now + LOOKAHEAD_TIME, asked.event)
  redis.call('PEXPIRE', coming, LOOKAHEAD_TIME)
  return { 'granted', 0, redis.call('EXISTS', ns .. ':blocks', ns .. ':failures') == 0 and '1' or '' }
end
