-- notices_take: take the due notifications for one worker. They come up again if that worker does not report them sent. A
-- cause that brought nothing new for a whole pause is forgotten. So the next of it is sent at once.
--
-- Keys:   <ns>:notices, <ns>:notice:<cause>
-- ARGV:   limit (causes), timeout (ms until a taken and unsent one comes up again)
-- Answer: for each cause {cause, tries (this one counted), others (occurrences without an entry), entry, occurrences, entry, …}
-- Cost:   O(limit × (entries of a cause + log causes))
local notices, taken = ns .. ':notices', {}
for _, cause in ipairs(redis.call('ZRANGEBYSCORE', notices, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local notice = ns .. ':notice:' .. cause
  local fields, answer = redis.call('HGETALL', notice), { cause, 0, 0 }
  for i = 1, #fields, 2 do
    if fields[i]:sub(1, 4) == 'new:' then append(answer, fields[i]:sub(5), tonumber(fields[i + 1])) end
    if fields[i] == 'others' then answer[3] = tonumber(fields[i + 1]) end
  end
  if #answer == 3 and answer[3] == 0 then
    redis.call('DEL', notice)
    redis.call('ZREM', notices, cause)
  else
    answer[2] = redis.call('HINCRBY', notice, 'taken', 1)
    redis.call('ZADD', notices, now + tonumber(ARGV[2]), cause)
    append(taken, answer)
  end
end
return taken
