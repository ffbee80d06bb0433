-- notices_take: take the due notifications for one worker; they come up again if that worker does not report them
-- sent. A cause that brought nothing new for a whole pause is forgotten, so that the next of it is told at once.
--
-- Keys:   <ns>:notices, <ns>:notice:<cause>
-- ARGV:   limit (causes), patience (ms until a taken and unsent one comes up again)
-- Answer: for each cause {cause, tries (this one counted), others (occurrences not told apart), entry, occurrences, entry, …}
-- Cost:   O(limit × (entries of a cause + log causes))
local limit, patience = ARGV[1], tonumber(ARGV[2])
local notices = ns .. ':notices'
local taken = {}
for _, cause in ipairs(redis.call('ZRANGEBYSCORE', notices, '-inf', now, 'LIMIT', 0, limit)) do
  local notice = ns .. ':notice:' .. cause
  local fields = redis.call('HGETALL', notice)
  local answer = { cause, 0, 0 }
  for i = 1, #fields, 2 do
    if fields[i]:sub(1, 4) == 'new:' then
      answer[#answer + 1] = fields[i]:sub(5)
      answer[#answer + 1] = tonumber(fields[i + 1])
    elseif fields[i] == 'others' then
      answer[3] = tonumber(fields[i + 1])
    end
  end
  if #answer == 3 and answer[3] == 0 then
    redis.call('DEL', notice)
    redis.call('ZREM', notices, cause)
  else
    answer[2] = redis.call('HINCRBY', notice, 'taken', 1)
    redis.call('ZADD', notices, now + patience, cause)
    taken[#taken + 1] = answer
  end
end
return taken
