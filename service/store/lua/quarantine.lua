-- quarantine: keep a job in our queue that belongs to nobody, as a dead event with a reason.
--
-- requires: changes
-- Keys:   those of changes, arq:job:<job>, arq:retry:<job>, arq:in-progress:<job>
-- ARGV:   job id, reason, error (words for a person), name (the job id as a text)
-- Answer: 1, or 0 where the job has left the queue meanwhile
-- Cost:   O(log queue + size of the job's data)
local job, reason, said, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local id = 'foreign:' .. name
if not redis.call('ZSCORE', ns .. ':queue', job) then return 0 end
-- An event may have come into being since the job was seen without one. No event of ours has an id that is no text.
local own = job:sub(1, #ns + 1) == ns .. ':' and job:sub(#ns + 2)
if own and name == job and redis.call('EXISTS', event_key(own)) == 1 then return 0 end
local body, before = is_in_our_slot(job) and redis.call('GET', 'arq:job:' .. job) or '', redis.call('HGET', event_key(id), 'state')
if before and before ~= 'dead' then collect_end('ZREM', before, id) end
if before ~= 'dead' then count(before, 'dead') end
collect_end('ZADD', 'dead', now, id)
collect('ZADD', ':events', now, id)
collect_record(id, { 'type', 'ringback.foreign_job', 'body', body, 'arrived_by', 'queue', 'received_at', now, 'due', now,
  'deliveries', 1, 'handlers', '["queue"]', 'state', 'dead', 'ended_at', now,
  'h:queue', cjson.encode({ state = 'dead', reason = reason, error = said, attempts = 0, ended_at = now }) })
dequeue(job)
write_changes()
if is_in_our_slot(job) then redis.call('DEL', 'arq:job:' .. job, 'arq:retry:' .. job, 'arq:in-progress:' .. job) end
return 1
