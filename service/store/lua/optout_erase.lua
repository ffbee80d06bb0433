-- optout_erase: keep the consent of a number without the number: under its keyed hash alone.
--
-- requires: consent
-- Keys:   those of consent
-- ARGV:   forms of the number (JSON), that of today first, which is hidden
-- Answer: 1, or 0 where it has said nothing
-- Cost:   O(forms)
local forms = cjson.decode(ARGV[1])
local known = known_consent(forms)
if table.concat(known) == '------' then return 0 end
write_consent(forms, '', known)
return 1
