-- handler_times: add the counts of a worker to those of the minute and of the hour. Both are kept for a day.
--
-- Keys:   <ns>:handler_times:<minute | hour>:<number since 1970>
-- Cost:   O(minutes × handlers × buckets)
local TIMES_KEPT = 25 * 3600000
local MAX_HANDLERS = 500

local function add_counts(key, handlers)
  local has_room = redis.call('HLEN', key) < MAX_HANDLERS
  for handler, counts in pairs(handlers) do
    local stored = redis.call('HGET', key, handler)
    local known = stored and decoded(stored) or {}
    for name, count in pairs(counts) do known[name] = (tonumber(known[name]) or 0) + count end
    if stored or has_room then redis.call('HSET', key, handler, cjson.encode(known)) end
  end
  redis.call('PEXPIRE', key, TIMES_KEPT)
end

-- add_times: `text` is JSON {minute → handler → name of a bucket → count}, or ''
local function add_times(text)
  for minute, handlers in pairs(text ~= '' and decoded(text) or {}) do
    add_counts(ns .. ':handler_times:minute:' .. minute, handlers)
    add_counts(ns .. ':handler_times:hour:' .. math.floor(tonumber(minute) / 60), handlers)
  end
end
