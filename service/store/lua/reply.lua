-- reply: may this answer be given, or are two machines talking to each other?
--
-- Keys:   <ns>:replies:<number>
-- ARGV:   ns, effect key (the same in each run of a handler for an event), limit, window (ms), then the forms of the number,
--         that of today first
-- Answer: 1 if the answer may be given, else 0
-- Cost:   O(forms)
local given = 0
for i = 5, #ARGV do
  local key = ARGV[1] .. ':replies:' .. ARGV[i]
  if redis.call('SISMEMBER', key, ARGV[2]) == 1 then
    redis.call('PEXPIRE', key, ARGV[4], 'NX')
    return 1
  end
  given = given + redis.call('SCARD', key)
end
if given >= tonumber(ARGV[3]) then return 0 end
local key = ARGV[1] .. ':replies:' .. ARGV[5]
redis.call('SADD', key, ARGV[2])
redis.call('PEXPIRE', key, ARGV[4])
return 1
