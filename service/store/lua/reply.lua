-- reply: may this answer be given, or are two machines talking to each other, or is the hour's budget used up? The budget is
-- taken by the script that writes the intent.
--
-- Keys:   <ns>:replies:<number>, those of budget
-- ARGV:   ns, effect key (the same in each run of a handler for an event), limit, window (ms), budget, then the forms of
--         the number, that of today first
-- Answer: '' if the answer may be given, else 'loop' or 'over_budget'
-- Cost:   O(forms)
local given = 0
local ns = ARGV[1]
for i = 6, #ARGV do
  local key = ns .. ':replies:' .. ARGV[i]
  if redis.call('SISMEMBER', key, ARGV[2]) == 1 then
    redis.call('PEXPIRE', key, ARGV[4], 'NX')
    return ''
  end
  given = given + redis.call('SCARD', key)
end
if given >= tonumber(ARGV[3]) then return 'loop' end
if not replies_have_room(ns, '', tonumber(ARGV[5]), tonumber(ARGV[4]), now_ms()) then return 'over_budget' end
local key = ns .. ':replies:' .. ARGV[6]
redis.call('SADD', key, ARGV[2])
redis.call('PEXPIRE', key, ARGV[4])
return ''
