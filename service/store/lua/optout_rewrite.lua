-- optout_rewrite: keep the consent of numbers under their forms of today, where it is kept under older ones; or in any case,
-- which leaves out the number itself where none comes with its forms.
--
-- requires: consent
-- Keys:   those of consent
-- ARGV:   in any case ('1' | '0'), then for each number: forms (JSON, that of today first), the number sealed (or '')
-- Answer: how many were written
-- Cost:   O(numbers × forms)
local written = 0
for i = 2, #ARGV, 2 do
  local forms = cjson.decode(ARGV[i])
  local known, others = known_consent(forms)
  if others > 0 or (ARGV[1] == '1' and table.concat(known) ~= '------') then
    write_consent(forms, ARGV[i + 1], known)
    written = written + 1
  end
end
return written
