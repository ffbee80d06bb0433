-- message: merge what an event says of a message into its state, and take the right to send in its place if asked. The
-- state is the furthest status that was ever heard of, so neither order nor repetition matters.
--
-- Keys:   <ns>:message:<message id>
-- ARGV:   ns, message id, ttl (ms), by (the event that asks for the right to send; '' only merges), then recipient, status
--         for each recipient
-- Answer: for each recipient {status, right}: right = 'granted' (to this event, now or before), 'taken' (by another event) or
--         '' where none was asked for or the status forbids it
-- Cost:   O(recipients)
local key = ARGV[1] .. ':message:' .. ARGV[2]
local by = ARGV[4]
local rank = { queued = 1, sending = 2, sent = 3, delivery_unconfirmed = 4, expired = 5, sending_failed = 6,
  delivery_failed = 7, delivered = 8, read = 9 }
local answers = {}
for i = 5, #ARGV, 2 do
  local recipient, status = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', key, 'status:' .. recipient)
  if not known or (rank[status] or 0) > (rank[known] or 0) then
    known = status
    redis.call('HSET', key, 'status:' .. recipient, status)
  end
  local right = ''
  if by ~= '' and (rank[known] or 0) < rank.delivered then
    redis.call('HSETNX', key, 'fallback:' .. recipient, by)
    right = redis.call('HGET', key, 'fallback:' .. recipient) == by and 'granted' or 'taken'
  end
  answers[#answers + 1] = { known, right }
end
redis.call('PEXPIRE', key, ARGV[3])
return answers
