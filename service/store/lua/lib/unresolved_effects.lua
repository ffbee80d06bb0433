-- unresolved_effects: shared by the scripts that act on an ended event's effects by an operator's word.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- Cost:   O(effects of the event) each
local function effects_of(id)
  return redis.call('ZRANGE', ns .. ':effects:' .. id, 0, -1)
end

-- is_unconfirmed: nobody knows whether it took effect. That holds too of an effect under a caller's own key that is so old that
-- the ledger has forgotten it. One that Telnyx put off has not happened, though it is still to be sent.
local function is_unconfirmed(state, unconfirmed)
  return not state or (state == 'started' and tonumber(unconfirmed or '0') > 0)
end

local function count_unconfirmed(id)
  local count = 0
  for _, name in ipairs(effects_of(id)) do
    local f = redis.call('HMGET', ns .. ':effect:' .. name, 'state', 'unconfirmed')
    if is_unconfirmed(f[1], f[2]) then count = count + 1 end
  end
  return count
end

-- settle_effects: take a person's word ('sent' | 'not_sent') on those of unknown fate; `answer` is what a handler is answered
-- from now on where it was sent
local function settle_effects(id, word, answer)
  local settled = 0
  for _, name in ipairs(effects_of(id)) do
    local entry = ns .. ':effect:' .. name
    local f = redis.call('HMGET', entry, 'state', 'unconfirmed', 'status', 'version', 'generation')
    if is_unconfirmed(f[1], f[2]) then
      settled = settled + 1
      local fields = { 'version', tonumber(f[4] or '0') + 1 }
      local function set(...)
        for _, each in ipairs({ ... }) do fields[#fields + 1] = each end
      end
      if not f[1] then set('event', id, 'caller_key', '0', 'first_at', now, 'last_at', now) end
      if word == 'sent' then
        set('state', 'settled', 'status', 200, 'answer_type', 'application/json', 'answer', answer, 'answered_at', now)
      else
        set('state', 'withdrawn', 'unconfirmed', 0)
        -- The key stays, so that Telnyx itself may still know better; only where it refused the key is there a new one.
        if f[3] == '422' then set('generation', tonumber(f[5] or '0') + 1) end
      end
      redis.call('HSET', entry, unpack(fields))
    end
    -- Also where the script failed after the write before.
    if redis.call('HGET', entry, 'state') ~= 'started' then redis.call('HDEL', entry, 'bytes') end
  end
  return settled
end

-- withdraw_refused_effects: what Telnyx refused for good may be asked for once more, also where the recipient's STOP was the reason
local function withdraw_refused_effects(id)
  for _, name in ipairs(effects_of(id)) do
    local entry = ns .. ':effect:' .. name
    local f = redis.call('HMGET', entry, 'state', 'version')
    if f[1] == 'refused' then redis.call('HSET', entry, 'state', 'withdrawn', 'version', tonumber(f[2] or '0') + 1) end
  end
end

local FORGOTTEN = { forgotten = true, withdrawn = true, refused = true, would = true }

-- reset_effects: let a handler's effects be as if they had never been, so that they happen once more under keys that
-- Telnyx has not seen; without `act` only count them
local function reset_effects(id, handler, act)
  local count = 0
  for _, name in ipairs(effects_of(id)) do
    local entry = ns .. ':effect:' .. name
    local f = redis.call('HMGET', entry, 'handler', 'state', 'version', 'generation')
    if act and f[1] == handler and f[2] == 'forgotten' then redis.call('HDEL', entry, 'bytes') end
    if f[1] == handler and not FORGOTTEN[f[2]] then
      count = count + 1
      if act then
        redis.call('HSET', entry, 'state', 'forgotten', 'unconfirmed', 0, 'version', tonumber(f[3] or '0') + 1,
          'generation', tonumber(f[4] or '0') + 1)
        redis.call('HDEL', entry, 'bytes')
      end
    end
  end
  return count
end
