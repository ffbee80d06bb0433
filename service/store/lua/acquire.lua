-- acquire: may this call go to Telnyx, and when? No, while a cause that concerns it is open, unless the time has come for a
-- probe and none is on its way. Then a send is given a slot such that no window of a second holds more of them than the
-- limit. Where the next slot is too far off, it is given a place in a line instead, to come back at: there are two, and who
-- comes back goes before who is new.
--
-- Keys:   <ns>:cause:<name>, <ns>:bucket:<product>, <ns>:slots:<product>
-- ARGV:   ticket (of this call, however often it asks), event id, patience (ms until the slot), probe's patience (ms),
--         product ('': no limit concerns it), limit (a second), coming back ('1' | '0'), slot (one that it was given and did
--         not use, or ''), then names of causes
-- Answer: {'go', ms until the slot, slot} | {'held', name, detail, advice} | {'put_off', ms until its turn}
-- Cost:   O(causes + limit)
local ticket, event_id, patience, probe_patience = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local product, coming_back, unused = ARGV[5], ARGV[7] == '1', ARGV[8]
local bucket, slots = ns .. ':bucket:' .. product, ns .. ':slots:' .. product
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

-- Telnyx counts what arrives, and on the way one may be faster than another.
local GUARD = 150
local LONGEST_LINE, LONGEST_BLOCK = 900000, 3600000

-- concerned: the open causes that this call would be the probe of; or the one that holds it
local function concerned()
  local probed = {}
  for i = 9, #ARGV do
    local f = redis.call('HMGET', ns .. ':cause:' .. ARGV[i], 'probe_at', 'ticket', 'detail', 'advice')
    if f[1] then
      local probe_at = tonumber(f[1])
      if (probe_at < 0 or probe_at > now) and f[2] ~= ticket then return nil, { 'held', ARGV[i], f[3], f[4] } end
      probed[#probed + 1] = ns .. ':cause:' .. ARGV[i]
    end
  end
  return probed
end

-- rate: how many slots (`most`) any window of so many ms may hold. A lower limit of Telnyx's counts for a while.
local function rate(f)
  local limit = tonumber(ARGV[6])
  if f[2] and tonumber(f[3]) > now then limit = math.min(limit, tonumber(f[2])) end
  if limit < 1 then return 1, 1000 / limit + GUARD end
  return math.floor(limit), 1000 + GUARD
end

-- next_slot: the earliest, and whether slots are in demand: the last `most` were taken within twice the least time. Slots
-- in the future are spaced evenly.
local function next_slot(blocked_until, most, window)
  local last = tonumber(redis.call('LINDEX', slots, -1))
  if last and last > now + patience + 1000 then
    -- The server's clock was put back.
    redis.call('DEL', slots)
    last = nil
  end
  redis.call('LTRIM', slots, -most, -1)
  local first = redis.call('LLEN', slots) == most and tonumber(redis.call('LINDEX', slots, 0))
  local slot = math.max(now, blocked_until, last or 0, first and first + window or 0)
  if last and slot > now then slot = math.max(slot, last + window / most) end
  return slot, first and first > now - 2 * window
end

-- put_off: a place of its own at the end of a line. Nobody is sent further than the longest line, so that a limit that was
-- raised soon counts for all.
local function put_off(line, last_place, slot, pace)
  local place = math.min(math.max(last_place, slot) + pace, now + LONGEST_LINE)
  redis.call('HSET', bucket, line, place)
  redis.call('PEXPIRE', bucket, 2 * LONGEST_BLOCK)
  return { 'put_off', math.ceil(place - now) }
end

local function take_slot()
  local f = redis.call('HMGET', bucket, 'blocked_until', 'told_limit', 'told_until', 'new', 'back')
  -- Nobody is blocked for longer than that: the server's clock was put back.
  if tonumber(f[1] or 0) > now + LONGEST_BLOCK then f[1] = 0 end
  local most, window = rate(f)
  local slot, in_demand = next_slot(tonumber(f[1] or 0), most, window)
  local new, back = tonumber(f[4] or 0), tonumber(f[5] or 0)
  -- A line may be longer than those who stand in it: some will never come back.
  local others_first = not coming_back and in_demand and math.max(new, back) > slot
  if slot > now + patience or others_first then
    if coming_back then return put_off('back', back, slot, window / most) end
    return put_off('new', new, slot, window / most)
  end
  local name = string.format('%.3f', slot)
  redis.call('RPUSH', slots, name)
  redis.call('PEXPIRE', slots, math.ceil(patience + 2 * window))
  return { 'go', math.ceil(slot - now), name }
end

local probed, held = concerned()
if held then return held end
if unused ~= '' then redis.call('LREM', slots, -1, unused) end
local answer = product == '' and { 'go', 0, '' } or take_slot()
if answer[1] == 'go' then
  for _, cause in ipairs(probed) do
    redis.call('HSET', cause, 'ticket', ticket, 'prober', event_id, 'probe_at', math.ceil(now + probe_patience))
  end
end
return answer
