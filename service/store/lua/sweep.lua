-- sweep: put open events back where their records say they belong, if they are not in the queue. Nothing of ours takes them
-- out of it, but a person might.
--
-- requires: lost settle
-- Keys:   those of settle, <ns>:events
-- ARGV:   rank to begin at, limit (at most 500)
-- Answer: how many were put back
-- Cost:   O(limit + events put back × log queue)
local ids = redis.call('ZRANGE', ns .. ':events', ARGV[1], ARGV[1] + ARGV[2] - 1)
local mended = 0
for _, id in ipairs(ids) do
  if is_lost(id) then
    settle(id)
    mended = mended + 1
  end
end
return mended
