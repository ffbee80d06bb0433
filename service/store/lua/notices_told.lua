-- notices_told: a message about a cause went out. The next may follow after the shortest pause where this one told news or
-- more of it came meanwhile; else after twice the pause before, so that what lasts is not told every few minutes.
--
-- Keys:   <ns>:notices, <ns>:notice:<cause>
-- ARGV:   cause, shortest pause (ms), longest pause (ms), others, then entry, occurrences for each entry told
-- Answer: the pause (ms)
-- Cost:   O(entries + log causes)
local cause, shortest, longest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local notice = ns .. ':notice:' .. cause
local before = {}
local fields = redis.call('HKEYS', notice)
for _, field in ipairs(fields) do
  if field:sub(1, 5) == 'sent:' then
    before[field:sub(6)] = true
    redis.call('HDEL', notice, field)
  end
end
if redis.call('HINCRBY', notice, 'others', -tonumber(ARGV[4])) <= 0 then redis.call('HDEL', notice, 'others') end
local told, news = {}, false
for i = 5, #ARGV, 2 do
  local entry = ARGV[i]
  told[entry] = true
  news = news or not before[entry]
  redis.call('HSET', notice, 'sent:' .. entry, 1)
  if redis.call('HINCRBY', notice, 'new:' .. entry, -tonumber(ARGV[i + 1])) <= 0 then
    redis.call('HDEL', notice, 'new:' .. entry)
  end
end
for _, field in ipairs(fields) do
  if field:sub(1, 4) == 'new:' and not told[field:sub(5)] then news = true end
end
local pause = shortest
if not news then pause = math.min(2 * (redis.call('HGET', notice, 'pause') or shortest), longest) end
redis.call('HDEL', notice, 'taken')
redis.call('HSET', notice, 'pause', pause, 'sent_at', now)
redis.call('ZADD', ns .. ':notices', now + pause, cause)
return pause
