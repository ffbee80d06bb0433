-- import: store events of another deployment (or of a past of this one) as ended, or with `run` as just arrived. One that is
-- already remembered is left as it is. The state of a message that an event tells of is merged before its record is written.
--
-- Keys:   those of settle, message_state, note and minute, <ns>:events
-- ARGV:   ns, run ('1' | '0'), then for each event: id, type, body ('' for none), arrived_by, received at (ms), deliveries, marks
--         and state of a message (see accept), number of handlers, then name, JSON for each of those
-- Answer: for each event: 'imported' | 'known'
-- Cost:   O(events × (handlers + log events))
local ns, run = ARGV[1], ARGV[2] == '1'
local now = now_ms()

-- mark: a minute whose index has gone must not be given one that knows of this event only
local function mark(at, marks)
  if at < now - MINUTES_KEPT then return end
  local from = at - at % MINUTE
  local others = redis.call('ZCOUNT', ns .. ':events', from, '(' .. from + MINUTE)
  if others == 0 or redis.call('EXISTS', minute_key(ns, at)) == 1 then mark_minute(ns, at, marks) end
end

local answers = {}
local i = 3
while i <= #ARGV do
  local id, count = ARGV[i], tonumber(ARGV[i + 8])
  if ARGV[i + 7] ~= '' then merge_message(ns, cjson.decode(ARGV[i + 7]), id) end
  local event = ns .. ':event:' .. id
  local answer = 'known'
  if redis.call('EXISTS', event) == 0 then
    answer = 'imported'
    local received_at = math.min(tonumber(ARGV[i + 4]), now)
    redis.call('HSET', event, 'type', ARGV[i + 1], 'arrived_by', ARGV[i + 3], 'received_at', received_at, 'due', now,
      'deliveries', ARGV[i + 5], 'about', ARGV[i + 6]:sub(5))
    if ARGV[i + 2] ~= '' then redis.call('HSET', event, 'body', ARGV[i + 2]) end
    if not run then
      local names = {}
      for j = i + 9, i + 8 + 2 * count, 2 do
        names[#names + 1] = ARGV[j]
        redis.call('HSET', event, 'h:' .. ARGV[j], ARGV[j + 1])
      end
      redis.call('HSET', event, 'imported', '1', 'handlers', count > 0 and cjson.encode(names) or '[]')
    end
    note(ns, id, now, run and 'imported_to_run' or 'imported')
    mark(received_at, ARGV[i + 6])
    redis.call('ZADD', ns .. ':events', received_at, id)
    redis.call('HINCRBY', ns .. ':counts', 'accepted', 1)
    settle(ns, id, now)
  end
  answers[#answers + 1] = answer
  i = i + 9 + 2 * count
end
return answers
