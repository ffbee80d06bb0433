-- hear: keep what numbers said about being written to, or what others say for them.
--
-- Keys:   those of consent
-- ARGV:   ns, then for each word: number, said ('out' | 'in'), at (ms), source
-- Answer: how many words changed what is known
-- Cost:   O(words)
local changed = 0
for i = 2, #ARGV, 4 do
  if hear(ARGV[1], ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]) then changed = changed + 1 end
end
return changed
