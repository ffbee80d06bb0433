-- effect_begin: write the intent of a request before it leaves. Refused to whoever has lost the lease, and where the entry is no
-- longer what the caller has seen. A request that is only noted (a dry run) is written with its answer.
--
-- Keys:   <ns>:effect:<name>, <ns>:effects:<event id>, <ns>:event:<id>
-- ARGV:   ns, event id, token of the lease, name, version seen (0: there was no entry), run, keep (ms that the entry lives; 0: as
--         long as its event), again ('1': the stored bytes go once more; '0': what follows is new), then field, value …
-- Answer: 'begun', 'lost' or 'changed'
-- Cost:   O(fields + log effects of the event)
local ns, id, token, name, version, run, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local entry = ns .. ':effect:' .. name
local now = now_ms()
local lease = redis.call('HMGET', ns .. ':event:' .. id, 'lease', 'lease_until')
if lease[1] ~= token or tonumber(lease[2]) <= now then return 'lost' end
if (redis.call('HGET', entry, 'version') or '0') ~= version then return 'changed' end
redis.call('ZADD', ns .. ':effects:' .. id, 'NX', now, name)
if ARGV[8] == '0' then
  redis.call('HDEL', entry, 'status', 'answer', 'answer_type', 'answer_short', 'answered_at', 'why', 'bytes')
  redis.call('HSET', entry, 'sends', 0, 'doubtful', 0, 'first_at', now, unpack(ARGV, 9))
end
redis.call('HSET', entry, 'run', run, 'holder', id, 'token', token, 'last_at', now)
redis.call('HINCRBY', entry, 'version', 1)
if redis.call('HGET', entry, 'state') == 'started' then
  redis.call('HINCRBY', entry, 'sends', 1)
  redis.call('HINCRBY', entry, 'doubtful', 1)
end
if keep > 0 then redis.call('PEXPIRE', entry, keep) end
return 'begun'
