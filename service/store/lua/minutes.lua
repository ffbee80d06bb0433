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

local wanted = {}
for i = 3, #ARGV do wanted[#wanted + 1] = from_hex(ARGV[i]) end

local function may_hold(minute, digests)
  if not digests then
    local from = string.format('%.0f', minute * MINUTE)
    return redis.call('ZCOUNT', ns .. ':events', from, '(' .. string.format('%.0f', (minute + 1) * MINUTE)) > 0
  end
  for _, each in ipairs(wanted) do
    if not holds_any(digests, each) then return false end
  end
  return true
end

local answer, looked_at, bytes = { 0 }, 0, 0
while looked_at < count and bytes < MAX_BYTES do
  local minute = first - looked_at
  local digests = redis.call('GET', minute_key(minute * MINUTE))
  bytes = bytes + #(digests or '')
  looked_at = looked_at + 1
  if may_hold(minute, digests) then
    if answer[#answer - 1] == minute + 1 and #answer > 1 then
      answer[#answer - 1] = minute
    else
      answer[#answer + 1], answer[#answer + 2] = minute, minute
    end
  end
end
answer[1] = looked_at
return answer
