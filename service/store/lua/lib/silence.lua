-- silence: notices that no worker has run for a while. Either all were stopped, or the data is a backup that was restored.
-- Then an event from before may have been handled in the time that is lost. Telnyx recognises a repeated message for 24 hours.
-- After a longer silence, nobody can tell what was sent.
--
-- Keys:   <ns>:silence
-- Cost:   O(1)
local LONG_SILENCE, KEYS_FORGOTTEN = 600000, 82800000

-- note_silence: note it where it ends now. Answers the time (ms) before which an event may have been handled in a time that is
-- lost.
local function note_silence()
  local f = redis.call('HMGET', ns .. ':silence', 'alive', 'uncertain_before')
  local since, uncertain_before = tonumber(f[1]), tonumber(f[2] or '0')
  if not since or now - since < LONG_SILENCE then return uncertain_before end
  if now - since >= KEYS_FORGOTTEN then uncertain_before = since end
  redis.call('HSET', ns .. ':silence', 'from', since, 'to', now, 'uncertain_before', uncertain_before, 'alive', now)
  return uncertain_before
end
