-- dead_causes: the causes of death since the last call, each (handler and reason) once an hour for all callers.
--
-- requires: dead_handlers handlers
-- Keys:   <ns>:dead, <ns>:dead_checked_until, <ns>:event:<id>, <ns>:dead_notified:<digest of the cause>
-- ARGV:   limit (at most 500), remember (ms for which a cause counts as told)
-- Answer: {looked at, then for each cause that was not told: handler, reason, id of an event}
-- Cost:   O(limit × record)
local limit, remember = tonumber(ARGV[1]), ARGV[2]
-- Of this very millisecond more may be to come.
local upto = now - 1
local seen = redis.call('GET', ns .. ':dead_checked_until') or '0'
local found = redis.call('ZRANGE', ns .. ':dead', '(' .. seen, upto, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
local answer = { #found / 2 }
for i = 1, #found, 2 do
  local event = ns .. ':event:' .. found[i]
  if redis.call('TYPE', event).ok == 'hash' and redis.call('HEXISTS', event, 'imported') == 0 then
    for _, name in ipairs(dead_handlers(event, '', '')) do
      local reason = handler_of(redis.call('HGET', event, 'h:' .. name)).reason
      reason = type(reason) == 'string' and reason or ''
      local told = ns .. ':dead_notified:' .. redis.sha1hex(name .. ' ' .. reason)
      if redis.call('SET', told, '1', 'NX', 'PX', remember) then
        answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = name, reason, found[i]
      end
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
