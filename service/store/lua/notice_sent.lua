-- notice_sent: a message about a cause was sent. The next may follow after the shortest pause where this one brought news or
-- more of it came meanwhile. Else it waits for twice the pause before, so that a lasting cause is not repeated every few
-- minutes.
--
-- Keys:   <ns>:notices, <ns>:notice:<cause>
-- ARGV:   cause, shortest pause (ms), longest pause (ms), others, then entry, occurrences for each entry sent
-- Answer: the pause (ms)
-- Cost:   O(entries + log causes)
local cause, pause, longest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local notice = ns .. ':notice:' .. cause
local before, waiting, news = {}, {}, false
for _, field in ipairs(redis.call('HKEYS', notice)) do
  local kind, entry = field:match('^(%l+):(.*)$')
  if kind == 'new' then waiting[entry] = true end
  if kind == 'sent' then
    before[entry] = true
    redis.call('HDEL', notice, field)
  end
end
if redis.call('HINCRBY', notice, 'others', -tonumber(ARGV[4])) <= 0 then redis.call('HDEL', notice, 'others') end
for i = 5, #ARGV, 2 do
  local entry = ARGV[i]
  waiting[entry], news = nil, news or not before[entry]
  redis.call('HSET', notice, 'sent:' .. entry, 1)
  if redis.call('HINCRBY', notice, 'new:' .. entry, -tonumber(ARGV[i + 1])) <= 0 then
    redis.call('HDEL', notice, 'new:' .. entry)
  end
end
if not news and not next(waiting) then pause = math.min(2 * (redis.call('HGET', notice, 'pause') or pause), longest) end
redis.call('HDEL', notice, 'taken')
redis.call('HSET', notice, 'pause', pause, 'sent_at', now)
redis.call('ZADD', ns .. ':notices', now + pause, cause)
return pause
