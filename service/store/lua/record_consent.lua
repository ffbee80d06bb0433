-- record_consent: keep what numbers said about being written to, or what others say for them.
--
-- requires: consent
-- Keys:   those of consent
-- ARGV:   words: a JSON array of {forms of the number (that of today first), the number sealed (or ''),
--         said ('out' | 'in'), at (ms), source}
-- Answer: how many words changed what is known
-- Cost:   O(words)
return record_changes(cjson.decode(ARGV[1]), now)
