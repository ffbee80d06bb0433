-- reply: may this answer be given, or are two machines talking to each other?
--
-- Keys:   <ns>:replies:<number>
-- ARGV:   ns, number, effect key (the same in each run of a handler for an event), limit, window (ms)
-- Answer: 1 if the answer may be given, else 0
-- Cost:   O(1)
local key = ARGV[1] .. ':replies:' .. ARGV[2]
if redis.call('SISMEMBER', key, ARGV[3]) == 1 then return 1 end
if redis.call('SCARD', key) >= tonumber(ARGV[4]) then return 0 end
redis.call('SADD', key, ARGV[3])
redis.call('PEXPIRE', key, ARGV[5])
return 1
