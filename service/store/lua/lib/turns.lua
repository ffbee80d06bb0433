-- turns: who comes first in a lane.
--
-- requires: order
-- Keys:   those of order, <ns>:unkeyed
-- Cost:   O(log events of the lane) each
local RECHECK, OTHER_KEYS_RECHECK = 300000, 1000

-- unkeyed_from: the sequence of the first event without a place, but for some (id → true). No later one begins.
local function unkeyed_from(but)
  local number = 0
  for _ in pairs(but) do number = number + 1 end
  local listed = redis.call('ZRANGE', ns .. ':unkeyed', 0, number, 'WITHSCORES')
  for i = 1, #listed, 2 do
    if not but[listed[i]] then return tonumber(listed[i + 1]) end
  end
  return math.huge
end

-- find_under_other_keys: an event of this key that comes first, and stands under another encryption key
local function find_under_other_keys(sequence, handler, further)
  for digest in further:gmatch('%x+') do
    local lane = handler .. ':' .. digest
    local first, followed = turn_of(lane)
    if first and standing(first, handler, lane) then return first end
    local next, _, place
    if first or followed then next, _, place = next_in_lane(handler, lane) end
    if next and place < sequence then return next end
  end
end

-- find_before: the event of this key that this one waits for, and for how long at most (ms). Then its fields of STANDING, but
-- under another encryption key, where nobody wakes this one. Nil where it has the turn. `further` are the digests of the key under
-- other encryption keys.
local function find_before(id, sequence, handler, lane, further)
  local first, followed = turn_of(lane)
  if first == id then return nil end
  local other = find_under_other_keys(sequence, handler, further)
  if other then return other, OTHER_KEYS_RECHECK end
  local f = first and standing(first, handler, lane)
  if f then return first, RECHECK, f end
  local next, place
  if first or followed then next, f, place = next_in_lane(handler, lane) end
  if next and next ~= id and place < sequence then return next, RECHECK, f end
  give_turn(lane, id, next ~= nil)
  if next then
    afterwards[#afterwards + 1] = function() redis.call('ZREM', lane_key(lane), id) end
  end
end
