-- describe_blocks: for each open block {name, number of parked events, field, value, field, value …}
--
-- Keys:   <ns>:blocks, <ns>:block:<name>, <ns>:parked:<name>; none is written
-- Cost:   O(blocks)
local function describe_blocks()
  local blocks = {}
  for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
    local block = redis.call('HGETALL', ns .. ':block:' .. name)
    if #block > 0 then append(blocks, { name, redis.call('ZCARD', ns .. ':parked:' .. name), unpack(block) }) end
  end
  return blocks
end
