-- effect_end: note what came of a request. Always allowed: an answer is true without the lease too, and one that came
-- stays. A request that had no effect gives its segments of the SMS budget back.
--
-- requires: budget
-- Keys:   <ns>:effect:<name>, those of budget
-- ARGV:   name, outcome: 'done' | 'refused' (nothing happened, for good) | 'withdrawn' (nothing happened, and what goes next
--         may differ) | 'put_off' (nothing happened, and the same is to go again) | 'unknown', sent at (ms), status (0: no answer),
--         content type, answer, why, note (random, of what came of one request: noted again, as the reply was lost, it counts once),
--         what stays of the answer when bodies are let go of ('' where that is found in the answer itself)
-- Answer: {state of the entry, requests of unknown fate}
-- Cost:   O(1)
local entry = ns .. ':effect:' .. ARGV[1]
local outcome, sent_at, status = ARGV[2], ARGV[3], ARGV[4]
local MAX_SENT, MAX_NOTES = 2000, 170

-- All of it is one write, so that an answer is noted or not; the request's bytes go after it.
local fields = {}
local function set(...)
  for _, each in ipairs({ ... }) do fields[#fields + 1] = each end
end

local function keep_answer()
  set('answer_type', ARGV[5], 'answer', ARGV[6], 'answered_at', now)
  if ARGV[9] ~= '' then set('redacted_answer', ARGV[9]) end
end

local f = redis.call('HMGET', entry, 'state', 'unconfirmed', 'sent', 'notes', 'version')
if not f[1] then return { 'gone', 0 } end
local notes = f[4] or ''
if notes:find(ARGV[8], 1, true) then
  if f[1] ~= 'started' then redis.call('HDEL', entry, 'bytes') end
  return { f[1], tonumber(f[2]) }
end
local sent = (f[3] or '') .. sent_at .. ' ' .. status .. ' ' .. now .. ';'
if #sent <= MAX_SENT and (status ~= '0' or outcome == 'unknown') then set('sent', sent) end
local state, unconfirmed = f[1], tonumber(f[2])
if state == 'started' and outcome ~= 'unknown' then
  unconfirmed = math.max(0, unconfirmed - 1)
  if outcome == 'done' then
    state = 'done'
    keep_answer()
  elseif unconfirmed == 0 and outcome ~= 'put_off' then
    state = outcome
    if outcome == 'refused' then keep_answer() end
    release_budget(ARGV[1])
  end
  set('state', state, 'unconfirmed', unconfirmed)
end
set('status', status, 'why', ARGV[7], 'notes', (notes .. ARGV[8] .. ';'):sub(-MAX_NOTES))
redis.call('HSET', entry, 'version', tonumber(f[5] or '0') + 1, unpack(fields))
if state ~= 'started' and f[1] == 'started' then redis.call('HDEL', entry, 'bytes') end
return { state, unconfirmed }
