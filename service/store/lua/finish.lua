-- finish: record the results of handlers and, if asked, give leases back, for many events at once. Without the
-- lease nothing of an event is recorded.
--
-- requires: lease settle
-- Keys:   those of settle and lease
-- ARGV:   for each event, packed: id, token, release (one byte: 1 | 0), then name and JSON of each handler. Each text stands
--         behind its length in 4 bytes.
-- Answer: {states, turns}: states = for each event its state, or 'lost'; turns = the events that waited for the end of one of
--         these and may run now: {id, handler …}
-- Cost:   O(events × (handlers + log queue))

-- unpack_results: id, token, whether to give the lease back, the records of handlers by field, and whether there are any
local function unpack_results(packed)
  local id, token, release, at = struct.unpack('>I4c0I4c0I1', packed)
  local results = {}
  while at <= #packed do
    local name, record
    name, record, at = struct.unpack('>I4c0I4c0', packed, at)
    results['h:' .. name] = record
  end
  return id, token, release == 1, results, next(results) ~= nil
end

local releases = {}
collect_releases = function()
  for i = 1, #releases, 3 do collect_release(releases[i], releases[i + 1], releases[i + 2]) end
  releases = {}
end

local answers = answer_each(1, function(packed)
  local id, token, release, results, ended = unpack_results(packed)
  local f = read_settled(id)
  if f[2] ~= token or tonumber(f[3]) <= now then return 'lost' end
  local state = collect_settlement(id, f, results, release)
  -- Last, so that the lease's holder can repeat a call that failed half-way.
  if release then
    releases[#releases + 1], releases[#releases + 2], releases[#releases + 3] = id, token, ended
    released[id] = true
  end
  return state
end)
write_settled()
return { answers, woken }
