-- optout_move: keep what numbers said under their forms of today, where it is kept under older ones.
--
-- requires: consent
-- Keys:   those of consent
-- ARGV:   for each number: forms (JSON), the number sealed
-- Answer: how many were moved
-- Cost:   O(numbers × forms)
local moved = 0
for i = 1, #ARGV, 2 do
  local forms = cjson.decode(ARGV[i])
  local known, others = known_consent(forms)
  if others > 0 then
    write_consent(forms, ARGV[i + 1], known)
    moved = moved + 1
  end
end
return moved
