-- consent: the latest opt-out and the latest opt-in of each number, so that neither the order of words nor their repetition
-- matters. A number is opted out where its latest opt-out is not older than its latest opt-in.
--
-- Keys:   <ns>:optouts
-- Cost:   O(1)

-- hear: keep a word; at is ms. Answers whether anything changed.
local function hear(ns, number, said, at, source)
  local key = ns .. ':optouts'
  local known = redis.call('HGET', key, number)
  local out, back, from = '-', '-', '-'
  if known then out, back, from = known:match('^(%S+) (%S+) (%S+)$') end
  local before = tonumber(said == 'out' and out or back)
  if before and before >= at then return false end
  if said == 'out' then out, from = string.format('%d', at), source else back = string.format('%d', at) end
  redis.call('HSET', key, number, out .. ' ' .. back .. ' ' .. from)
  return true
end
