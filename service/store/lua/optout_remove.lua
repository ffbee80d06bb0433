-- optout_remove: forget what is kept under one form, whatever it is.
--
-- requires: consent
-- Keys:   those of consent
-- ARGV:   form
-- Answer: 1, or 0 where nothing was
-- Cost:   O(1)
local removed = redis.call('HDEL', ns .. ':optouts', ARGV[1])
if removed == 1 then count_form(ARGV[1], -1) end
redis.call('ZREM', ns .. ':optout_times', ARGV[1])
return removed
