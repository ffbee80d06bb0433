-- reset_effects: lets the effects of a handler happen once more.
--
-- requires: budget effects
-- Keys:   those of budget and effects
-- Cost:   O(effects of the event × log reservations)
local NOT_RESET = { forgotten = true, withdrawn = true, refused = true, would = true }

-- reset_effects: let a handler's effects happen once more, under keys that Telnyx has not seen. Without `act` only count
-- them. Their segments of a budget stay taken. The repetition takes its own.
local function reset_effects(id, handler, act)
  local number = 0
  for _, entry in ipairs(entries_of(id)) do
    local f = redis.call('HMGET', entry, 'handler', 'state', 'version', 'generation')
    local resets = f[1] == handler and not NOT_RESET[f[2]]
    number = number + (resets and 1 or 0)
    if act and resets then
      local generation = tonumber(f[4] or '0')
      leave_budget(entry:sub(#ns + #':effect:' + 1), generation)
      redis.call('HSET', entry, 'state', 'forgotten', 'unconfirmed', 0, 'version', tonumber(f[3] or '0') + 1,
        'generation', generation + 1)
    end
    -- Also where the script failed after the write before.
    if act and f[1] == handler and (resets or f[2] == 'forgotten') then redis.call('HDEL', entry, 'bytes') end
  end
  return number
end
