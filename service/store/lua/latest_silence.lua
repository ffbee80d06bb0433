-- latest_silence: the latest time without a worker, which is noticed here too where it has just ended.
--
-- requires: silence
-- Keys:   those of the library
-- Answer: {from (ms), to (ms), uncertain_before (ms, 0: nothing is in doubt)}, empty where there was none
-- Cost:   O(1)
note_silence()
local f = redis.call('HMGET', ns .. ':silence', 'from', 'to', 'uncertain_before')
return f[1] and { tonumber(f[1]), tonumber(f[2]), tonumber(f[3] or '0') } or {}
