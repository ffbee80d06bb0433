-- sms_budget: whether segments can be had. Nothing is taken: the script that writes the intent reserves them.
--
-- requires: budget
-- Keys:   those of budget, <ns>:sms_budget:notified
-- ARGV:   effect, segments, limit, window (ms)
-- Answer: {can be had (1 | 0), ms until the earliest reservation lapses, 1 if a person is to be told, which is once per window}
-- Cost:   O(reservations that have lapsed × log reservations)
return room_in_budget(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
