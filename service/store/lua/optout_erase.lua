-- optout_erase: keep what a number said, and the number no more: under its keyed hash alone.
--
-- Keys:   those of consent
-- ARGV:   ns, forms of the number (JSON), that of today first, which is hidden
-- Answer: 1, or 0 where it has said nothing
-- Cost:   O(forms)
local forms = cjson.decode(ARGV[2])
local known = known_words(ARGV[1], forms)
if table.concat(known) == '------' then return 0 end
write_words(ARGV[1], forms, '', known)
return 1
