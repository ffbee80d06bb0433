-- live_workers: how many workers gave a sign within 15 s, and are not stopping. Answers their signs too.
--
-- Keys:   <ns>:workers; none is written
-- Cost:   O(workers)
local SILENT_AFTER = 15000

local function live_workers()
  local live, signs = 0, {}
  for _, sign in ipairs(redis.call('HVALS', ns .. ':workers')) do
    local seen = tonumber(sign:match('^(%d+) ')) or 0
    if now - seen <= SILENT_AFTER and not sign:find('"state":"stopping"', 1, true) then
      live, signs[#signs + 1] = live + 1, sign
    end
  end
  return live, signs
end
