-- optout_rewrite: keep the consent of numbers under their forms of today. It is written where it is kept under older forms,
-- or in any case. A number that comes without its sealed form is left out of the value.
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
