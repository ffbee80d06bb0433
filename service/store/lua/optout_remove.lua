-- optout_remove: forget what is kept under one form, whatever it is.
--
-- Keys:   those of consent
-- ARGV:   ns, form
-- Answer: 1, or 0 where nothing was
-- Cost:   O(1)
local ns = ARGV[1]
local removed = redis.call('HDEL', ns .. ':optouts', ARGV[2])
if removed == 1 then count_form(ns, ARGV[2], -1) end
return removed
