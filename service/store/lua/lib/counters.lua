-- counters: how many events were accepted, and how many are in each state.
--
-- Keys:   <ns>:counts
-- Cost:   O(1) each
-- The counters, read once: while a script runs nobody else changes them.
local counted
local COUNTERS = { 'accepted', 'done', 'ignored', 'dead', 'open' }

local function counters()
  if counted then return counted end
  local read = {}
  for i, value in ipairs(redis.call('HMGET', ns .. ':counts', unpack(COUNTERS))) do
    read[COUNTERS[i]] = tonumber(value or '0')
  end
  counted = read
  return counted
end

-- count: an event is in one state and no longer in another, in one write. Without `before` it is accepted, without `after`
-- forgotten.
local function count(before, after)
  local known, changes, args = counters(), {}, {}
  changes[before or 'accepted'] = before and -1 or 1
  changes[after or 'accepted'] = after and 1 or -1
  for name, change in pairs(changes) do
    args[#args + 1], args[#args + 2] = name, known[name] + change
  end
  redis.call('HSET', ns .. ':counts', unpack(args))
  for name, change in pairs(changes) do known[name] = known[name] + change end
end
