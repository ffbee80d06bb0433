-- blocks: what work is parked for, and how many events are.
--
-- Keys:   <ns>:blocks, <ns>:block:<name>, <ns>:parked:<name>; none is written
-- Answer: for each open block {name, number of parked events, field, value, field, value …}
-- Cost:   O(blocks)
local answers = {}
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  local block = redis.call('HGETALL', ns .. ':block:' .. name)
  if #block > 0 then append(answers, { name, redis.call('ZCARD', ns .. ':parked:' .. name), unpack(block) }) end
end
return answers
