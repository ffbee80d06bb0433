-- blocks: what work is parked for, and how many events are.
--
-- Keys:   <ns>:blocks, <ns>:block:<name>, <ns>:parked:<name>; none is written
-- Answer: for each open cause {name, number of parked events, field, value, field, value …}
-- Cost:   O(causes)
local answers = {}
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  local cause = redis.call('HGETALL', ns .. ':block:' .. name)
  if #cause > 0 then answers[#answers + 1] = { name, redis.call('ZCARD', ns .. ':parked:' .. name), unpack(cause) } end
end
return answers
