-- consent: remember the latest word of a number about being written to. Older words never undo newer ones.
--
-- Keys:   <ns>:optouts
-- ARGV:   ns, number, said ('out' | 'in'), at (ms)
-- Answer: 1 if this changed what is known, else 0
-- Cost:   O(1)
local key = ARGV[1] .. ':optouts'
local known = redis.call('HGET', key, ARGV[2])
if known then
  local said, at = known:match('^(%a+) (-?%d+)$')
  if tonumber(at) > tonumber(ARGV[4]) or (tonumber(at) == tonumber(ARGV[4]) and said == 'out') then return 0 end
end
redis.call('HSET', key, ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
return 1
