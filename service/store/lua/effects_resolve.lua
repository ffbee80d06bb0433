-- effects_resolve: record a person's decision on the unconfirmed effects of one event.
--
-- requires: effects
-- Keys:   those of effects
-- ARGV:   event id, word ('sent' | 'not_sent'), answer (the stored answer from now on where it was sent)
-- Answer: how many effects that resolved
-- Cost:   O(effects of the event)
return resolve_effects(ARGV[1], ARGV[2], ARGV[3])
