-- effects_forget: let a handler's effects of one event happen once more, under keys that Telnyx has not seen. It can also
-- only count them.
--
-- requires: reset_effects
-- Keys:   those of reset_effects
-- ARGV:   event id, handler, forget ('1' | '0': only count)
-- Answer: how many effects
-- Cost:   O(effects of the event)
return reset_effects(ARGV[1], ARGV[2], ARGV[3] == '1')
