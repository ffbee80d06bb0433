-- budget: the segments of what may be sent within any hour. An effect that has its segments keeps them, so that trying again
-- counts nothing twice, until it turns out that it did not happen.
--
-- Replies have a budget of their own, each counts once.
--
-- Keys:   <ns>:reply_budget (sorted set: effects by the time of their reservation, ms), <ns>:sms_budget (sorted set: effects by the time of their reservation, ms), <ns>:sms_budget:segments (hash: effect →
--         segments, and their sum as `sum`)
-- Cost:   O(reservations that have lapsed × log reservations)

-- replies_have_room: whether one more reply can be given, or that of this effect ('' for a new one) has its place
local function replies_have_room(effect, limit, window)
  redis.call('ZREMRANGEBYSCORE', ns .. ':reply_budget', '-inf', now - window)
  if redis.call('ZSCORE', ns .. ':reply_budget', effect) then return true end
  return redis.call('ZCARD', ns .. ':reply_budget') < limit
end

-- reserve_reply: count the effect of a reply, once
local function reserve_reply(effect, window)
  redis.call('ZADD', ns .. ':reply_budget', 'NX', now, effect)
  redis.call('PEXPIRE', ns .. ':reply_budget', window)
end

-- release_budget: give back what one effect has reserved
local function release_budget(effect)
  redis.call('ZREM', ns .. ':reply_budget', effect)
  local sizes = ns .. ':sms_budget:segments'
  if redis.call('ZSCORE', ns .. ':sms_budget', effect) then
    local f = redis.call('HMGET', sizes, 'sum', effect)
    -- The size and the sum are one write, so that nothing is taken off twice.
    redis.call('HSET', sizes, 'sum', tonumber(f[1] or '0') - tonumber(f[2] or '0'), effect, 0)
    redis.call('HDEL', sizes, effect)
    redis.call('ZREM', ns .. ':sms_budget', effect)
  end
end

-- budget_has_room: whether an effect has its segments, or can have them
local function budget_has_room(effect, segments, limit, window)
  for _, each in ipairs(redis.call('ZRANGE', ns .. ':sms_budget', '-inf', now - window, 'BYSCORE')) do
    release_budget(each)
  end
  if redis.call('ZSCORE', ns .. ':sms_budget', effect) then return true end
  return tonumber(redis.call('HGET', ns .. ':sms_budget:segments', 'sum') or 0) + segments <= limit
end

-- reserve_budget: take the segments of an effect, once
local function reserve_budget(effect, segments, window)
  local key, sizes = ns .. ':sms_budget', ns .. ':sms_budget:segments'
  if redis.call('ZSCORE', key, effect) then
    redis.call('PEXPIRE', key, window * 2, 'NX')
    return
  end
  local f = redis.call('HMGET', sizes, 'sum', effect)
  if not f[2] then redis.call('HSET', sizes, 'sum', tonumber(f[1] or '0') + segments, effect, segments) end
  redis.call('PEXPIRE', sizes, window * 2)
  redis.call('ZADD', key, now, effect)
  redis.call('PEXPIRE', key, window * 2)
end

-- room_in_budget: {can be had (1 | 0), ms until the earliest reservation lapses, 1 if a person is to be told, once per window};
-- nothing is taken
local function room_in_budget(effect, segments, limit, window)
  if budget_has_room(effect, segments, limit, window) then return { 1, 0, 0 } end
  local earliest = redis.call('ZRANGE', ns .. ':sms_budget', 0, 0, 'WITHSCORES')
  local wait = earliest[2] and tonumber(earliest[2]) + window - now or window
  return { 0, wait, redis.call('SET', ns .. ':sms_budget:notified', '1', 'NX', 'PX', window) and 1 or 0 }
end
