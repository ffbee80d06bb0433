-- minutes: in which minutes, from one on backwards, there may be events with all these digests.
--
-- requires: minute
-- Keys:   those of minute, <ns>:events; none is written
-- ARGV:   first minute (since 1970), how many (at most 2000), then digests (in hex; of several with commas
--         between, any)
-- Answer: {minutes looked at, then from and to (minutes) of each stretch that may hold such events, the latest first}
-- Cost:   O(minutes + digests in them), at most MAX_BYTES and one minute's
local first, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local MAX_BYTES = 1048576
local wanted = answer_each(3, from_hex)

local function may_hold(minute, digests)
  if not digests then
    local from, to = string.format('%.0f', minute * MINUTE), string.format('(%.0f', (minute + 1) * MINUTE)
    return redis.call('ZCOUNT', ns .. ':events', from, to) > 0
  end
  for _, each in ipairs(wanted) do
    if not holds_any(digests, each) then return false end
  end
  return true
end

local answer, minute, bytes = { 0 }, first, 0
while minute > first - count and bytes < MAX_BYTES do
  local digests = redis.call('GET', minute_key(minute * MINUTE))
  bytes = bytes + #(digests or '')
  if may_hold(minute, digests) then
    if #answer == 1 or answer[#answer - 1] ~= minute + 1 then append(answer, minute, minute) end
    answer[#answer - 1] = minute
  end
  minute = minute - 1
end
answer[1] = first - minute
return answer
