-- jobs: the latest bulk jobs. Those that are forgotten leave the list.
--
-- Keys:   <ns>:jobs, <ns>:job:<id>
-- ARGV:   how many at most (up to 500), or none and then one id
-- Answer: for each {id, field, value, field, value …}, the newest first
-- Cost:   O(jobs)
local answer = {}
local ids = ARGV[2] and { ARGV[2] } or redis.call('ZREVRANGE', ns .. ':jobs', 0, ARGV[1] - 1)
for _, id in ipairs(ids) do
  local fields = redis.call('HGETALL', ns .. ':job:' .. id)
  if fields[1] then
    append(answer, { id, unpack(fields) })
  elseif not ARGV[2] then
    redis.call('ZREM', ns .. ':jobs', id)
  end
end
return answer
