-- effect_end: note the outcome of a request. Always allowed: an answer is true without the lease too, and one that came
-- stays. A request that had no effect gives its segments of the SMS budget back.
--
-- requires: budget
-- Keys:   <ns>:effect:<name>, those of budget
-- ARGV:   name, outcome: 'done' | 'refused' (nothing happened, for good) | 'withdrawn' (nothing happened, and what goes next
--         may differ) | 'deferred' (nothing happened, and the same is to go again) | 'unknown', sent at (ms), status (0: no answer),
--         content type, answer, why, note (random, one for each request: noted again, as the reply was lost, it counts once),
--         redacted answer, for when bodies are pruned ('' where that is found in the answer itself)
-- Answer: {state of the entry, requests of unknown fate}
-- Cost:   O(1)
local entry = ns .. ':effect:' .. ARGV[1]
local outcome, sent_at, status = ARGV[2], ARGV[3], ARGV[4]
local MAX_SENT, MAX_NOTES = 2000, 170

local f = redis.call('HMGET', entry, 'state', 'unconfirmed', 'sent', 'notes', 'version')
if not f[1] then return { 'gone', 0 } end
local state, unconfirmed, notes = f[1], tonumber(f[2]), f[4] or ''
if not notes:find(ARGV[8], 1, true) then
  -- All of it is one write, so that an answer is noted or not. The request's bytes go after it.
  local fields = { 'version', tonumber(f[5] or '0') + 1, 'status', status, 'why', ARGV[7],
    'notes', (notes .. ARGV[8] .. ';'):sub(-MAX_NOTES) }
  local sent = (f[3] or '') .. sent_at .. ' ' .. status .. ' ' .. now .. ';'
  if #sent <= MAX_SENT and (status ~= '0' or outcome == 'unknown') then append(fields, 'sent', sent) end
  if state == 'started' and outcome ~= 'unknown' then
    unconfirmed = math.max(0, unconfirmed - 1)
    if outcome == 'done' or (unconfirmed == 0 and outcome ~= 'deferred') then state = outcome end
    if state == 'done' or state == 'refused' then
      append(fields, 'answer_type', ARGV[5], 'answer', ARGV[6], 'answered_at', now)
      if ARGV[9] ~= '' then append(fields, 'redacted_answer', ARGV[9]) end
    end
    if state == 'refused' or state == 'withdrawn' then release_budget(ARGV[1]) end
    append(fields, 'state', state, 'unconfirmed', unconfirmed)
  end
  redis.call('HSET', entry, unpack(fields))
end
if state ~= 'started' then redis.call('HDEL', entry, 'bytes') end
return { state, unconfirmed }
