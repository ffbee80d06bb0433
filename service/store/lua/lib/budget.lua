-- budget: the segments that may be sent within any hour. An effect that has its segments keeps them until it turns out that
-- it did not happen. So a retry counts nothing twice. Replies have a budget of their own: each counts once.
--
-- Keys:   <ns>:reply_budget, <ns>:sms_budget (sorted sets: effects by the time of their reservation, ms), <ns>:sms_budget:segments
--         (hash: effect → segments, and their sum as `sum`), <ns>:sms_budget:notified
-- Cost:   O(reservations that have lapsed × log reservations)
local REPLIES, SENDS, SEGMENTS = ns .. ':reply_budget', ns .. ':sms_budget', ns .. ':sms_budget:segments'

-- replies_have_room: whether one more reply can be given, or that of this effect ('' for a new one) has its place
local function replies_have_room(effect, limit, window)
  redis.call('ZREMRANGEBYSCORE', REPLIES, '-inf', now - window)
  return redis.call('ZSCORE', REPLIES, effect) or redis.call('ZCARD', REPLIES) < limit
end

-- reserve_reply: count the effect of a reply, once
local function reserve_reply(effect, window)
  redis.call('ZADD', REPLIES, 'NX', now, effect)
  redis.call('PEXPIRE', REPLIES, window)
end

-- release_budget: give back the reservations of one effect
local function release_budget(effect)
  redis.call('ZREM', REPLIES, effect)
  if not redis.call('ZSCORE', SENDS, effect) then return end
  local f = redis.call('HMGET', SEGMENTS, 'sum', effect)
  -- The size and the sum are one write, so that nothing is taken off twice.
  redis.call('HSET', SEGMENTS, 'sum', tonumber(f[1] or '0') - tonumber(f[2] or '0'), effect, 0)
  redis.call('HDEL', SEGMENTS, effect)
  redis.call('ZREM', SENDS, effect)
end

-- leave_budget: leave what an effect took until it lapses, though no longer as its own. Done again after a failure, it does the rest.
local function leave_budget(effect, generation)
  local left, replied, at = effect .. '@' .. generation, redis.call('ZSCORE', REPLIES, effect), redis.call('ZSCORE', SENDS, effect)
  if replied then
    redis.call('ZADD', REPLIES, replied, left)
    redis.call('ZREM', REPLIES, effect)
  end
  if not at then return end
  redis.call('ZADD', SENDS, at, left)
  local f = redis.call('HMGET', SEGMENTS, effect, left)
  -- The sum stays: what one of them gets the other loses, in one write.
  if not f[2] then redis.call('HSET', SEGMENTS, left, f[1] or 0, effect, 0) end
  redis.call('HDEL', SEGMENTS, effect)
  redis.call('ZREM', SENDS, effect)
end

-- reserve_budget: take the segments of an effect, once. `sum` is that of all reservations, nil where the effect has its own.
local function reserve_budget(effect, segments, sum, window)
  if sum then redis.call('HSET', SEGMENTS, 'sum', sum + segments, effect, segments) end
  redis.call('PEXPIRE', SEGMENTS, window * 2)
  redis.call('ZADD', SENDS, 'NX', now, effect)
  redis.call('PEXPIRE', SENDS, window * 2)
end

-- budget_has_room: whether an effect has its segments, or can have them. Then also the sum, nil where it has them.
local function budget_has_room(effect, segments, limit, window)
  for _, each in ipairs(redis.call('ZRANGE', SENDS, '-inf', now - window, 'BYSCORE')) do release_budget(each) end
  local f = redis.call('HMGET', SEGMENTS, 'sum', effect)
  local sum = tonumber(f[1] or 0)
  if f[2] then return true end
  return sum + segments <= limit, sum
end

-- room_in_budget: {can be had (1 | 0), ms until the earliest reservation lapses, whether to notify a person (1 | 0)}. The
-- last is 1 once per window. Nothing is taken.
local function room_in_budget(effect, segments, limit, window)
  if budget_has_room(effect, segments, limit, window) then return { 1, 0, 0 } end
  local earliest = redis.call('ZRANGE', SENDS, 0, 0, 'WITHSCORES')
  local wait = earliest[2] and tonumber(earliest[2]) + window - now or window
  return { 0, wait, redis.call('SET', SENDS .. ':notified', '1', 'NX', 'PX', window) and 1 or 0 }
end
