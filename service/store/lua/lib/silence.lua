-- silence: notices that no worker has run for a while. Either all were stopped, or the data is a backup that was restored.
-- Then an event from before may have been handled in the time that is lost. Telnyx recognises a repeated message for 24 hours.
-- After a longer silence, nobody can tell what was sent.
--
-- Keys:   <ns>:alive, <ns>:silence
-- Cost:   O(1)
local LONG_SILENCE, KEYS_FORGOTTEN = 600000, 82800000

local function note_silence()
  local since = tonumber(redis.call('GET', ns .. ':alive') or '')
  if not since or now - since < LONG_SILENCE then return end
  local fields = { 'from', since, 'to', now }
  if now - since >= KEYS_FORGOTTEN then append(fields, 'uncertain_before', since) end
  redis.call('HSET', ns .. ':silence', unpack(fields))
  redis.call('SET', ns .. ':alive', now)
end
