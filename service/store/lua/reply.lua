-- reply: may this answer be given? Two machines may be talking to each other, or the hour's budget may be used up. The budget
-- is reserved by the script that writes the intent.
--
-- requires: budget
-- Keys:   <ns>:replies:<number>, those of budget
-- ARGV:   effect key (the same in each run of a handler for an event), limit, window (ms), budget, then the forms of
--         the number, that of today first
-- Answer: '' if the answer may be given, else 'loop' or 'over_budget'
-- Cost:   O(forms)
local given = 0
for i = 5, #ARGV do
  local key = ns .. ':replies:' .. ARGV[i]
  if redis.call('SISMEMBER', key, ARGV[1]) == 1 then
    redis.call('PEXPIRE', key, ARGV[3], 'NX')
    return ''
  end
  given = given + redis.call('SCARD', key)
end
if given >= tonumber(ARGV[2]) then return 'loop' end
if not replies_have_room('', tonumber(ARGV[4]), tonumber(ARGV[3])) then return 'over_budget' end
redis.call('SADD', ns .. ':replies:' .. ARGV[5], ARGV[1])
redis.call('PEXPIRE', ns .. ':replies:' .. ARGV[5], ARGV[3])
return ''
