-- dead_causes: the causes of death since the last call, each (handler and reason) once an hour for all callers.
--
-- requires: handlers
-- Keys:   <ns>:dead, <ns>:dead_checked_until, <ns>:event:<id>, <ns>:dead_notified:<digest of the cause>
-- ARGV:   limit (at most 500), remember (ms for which a cause is not answered again)
-- Answer: {looked at, then for each cause: handler, reason, id of an event}
-- Cost:   O(limit × record)
local limit, remember = tonumber(ARGV[1]), ARGV[2]
local seen = redis.call('GET', ns .. ':dead_checked_until') or '0'
-- Of this very millisecond more may be to come.
local found = redis.call('ZRANGE', ns .. ':dead', '(' .. seen, now - 1, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
local answer = { #found / 2 }
for i = 1, #found, 2 do
  local event = event_key(found[i])
  if redis.call('TYPE', event).ok == 'hash' and redis.call('HEXISTS', event, 'imported') == 0 then
    local names, reasons = dead_handlers(event, '', '')
    for at, name in ipairs(names) do
      local notified = ns .. ':dead_notified:' .. redis.sha1hex(name .. ' ' .. reasons[at])
      if redis.call('SET', notified, '1', 'NX', 'PX', remember) then append(answer, name, reasons[at], found[i]) end
    end
  end
end
if #found > 0 then
  local last = tonumber(found[#found])
  -- A full page may end in the middle of a millisecond, whose others are still to come.
  if #found / 2 == limit and tonumber(found[2]) < last then last = last - 1 end
  redis.call('SET', ns .. ':dead_checked_until', string.format('%.0f', last))
end
return answer
