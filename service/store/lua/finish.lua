-- finish: record the results of handlers and, if asked, give leases back, for many events at once. Without the
-- lease nothing of an event is recorded.
--
-- requires: changes lease settle
-- Keys:   those of settle and lease
-- ARGV:   for each event: id, token, release ('1' | '0'), number of handlers, then name, JSON for each of those
-- Answer: for each event its state, or 'lost'
-- Cost:   O(events × (handlers + log queue))
local answers = {}
local i = 1
while i <= #ARGV do
  local id, token, release, handlers = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', tonumber(ARGV[i + 3])
  local f = read_settled(id)
  if f[2] ~= token or tonumber(f[3]) <= now then
    answers[#answers + 1] = 'lost'
  else
    local results = {}
    for j = i + 4, i + 3 + 2 * handlers, 2 do results['h:' .. ARGV[j]] = ARGV[j + 1] end
    answers[#answers + 1] = collect_settlement(id, f, results, release)
    -- Last, so that the lease's holder can repeat a call that failed half-way.
    if release then collect_release(id, token, handlers > 0) end
  end
  i = i + 4 + 2 * handlers
end
write_changes()
return answers
