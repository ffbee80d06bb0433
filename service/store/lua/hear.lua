-- hear: keep what numbers said about being written to, or what others say for them.
--
-- Keys:   those of consent
-- ARGV:   ns, then for each word: forms of the number (JSON), the number sealed (or ''), said ('out' | 'in'), at (ms), source
-- Answer: how many words changed what is known
-- Cost:   O(words)
local changed = 0
for i = 2, #ARGV, 5 do
  local forms, sealed = cjson.decode(ARGV[i]), ARGV[i + 1]
  if hear(ARGV[1], forms, sealed, ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]) then changed = changed + 1 end
end
return changed
