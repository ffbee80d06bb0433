-- effects_settle: a person's word on the effects of unknown fate of one event.
--
-- requires: unresolved_effects
-- Keys:   those of fates
-- ARGV:   event id, word ('sent' | 'not_sent'), answer (what a handler is answered from now on where it was sent)
-- Answer: how many effects that settled
-- Cost:   O(effects of the event)
return settle_effects(ARGV[1], ARGV[2], ARGV[3])
