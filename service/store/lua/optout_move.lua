-- optout_move: keep what numbers said under their forms of today, where it is kept under older ones.
--
-- Keys:   those of consent
-- ARGV:   ns, then for each number: forms (JSON), the number sealed
-- Answer: how many were moved
-- Cost:   O(numbers × forms)
local ns, moved = ARGV[1], 0
for i = 2, #ARGV, 2 do
  local forms = cjson.decode(ARGV[i])
  local known, others = known_words(ns, forms)
  if others > 0 then
    write_words(ns, forms, ARGV[i + 1], known)
    moved = moved + 1
  end
end
return moved
