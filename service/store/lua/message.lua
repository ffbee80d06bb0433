-- message: merge what an event says of a message into its state and, if asked, take the right to send in its place. What is
-- known of the message is the furthest status that was ever heard of, so neither order nor repetition matters.
--
-- Keys:   <ns>:message:<message id>, <ns>:effect:<name>
-- ARGV:   ns, message id, ttl (ms), purpose ('note' | 'hold' | 'take' | 'sent'), by (the event that asks; '' where nobody will
--         send), at (ms), type (SMS, MMS, RCS, or '' for another), then for each recipient: forms of the number (JSON;
--         that of today first), status ('': none was said), carrier (likewise), name of the effect that would send in the
--         message's place
-- Answer: for each recipient {status, right, held, begun, native, doubled}: right = 'granted' (to this event, now or before),
--         'taken' (by another event) or '' (by none); held = since when it waits (ms, or ''); begun = '1' if the effect has an
--         intent or an answer; native = '1' if the message went out as SMS or MMS by itself; doubled = the carrier (or
--         'unknown') if this call found out that the message was delivered and something was sent in its place too, else ''
-- Cost:   O(recipients)
local ns, id, ttl, purpose, by, at, type = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key = ns .. ':message:' .. id
local rank = { queued = 1, sending = 2, sent = 3, delivery_unconfirmed = 4, expired = 5, sending_failed = 6,
  delivery_failed = 7, delivered = 8, read = 9 }
local underway = { started = true, done = true, settled = true }

-- further: whether a status says more than another; between two that say nothing, the order of their names decides.
local function further(status, known)
  if not known then return true end
  local mine, other = rank[status] or 0, rank[known] or 0
  return mine > other or (mine == other and status > known)
end

-- adopt: what is known of a number under other forms (as itself, or hidden under another key) is known under the first
local names = { 'status', 'carrier', 'right', 'held', 'sent', 'doubled' }
local function adopt(forms)
  for other = 2, #forms do
    local fields = {}
    for i, name in ipairs(names) do fields[i] = name .. ':' .. forms[other] end
    for i, theirs in ipairs(redis.call('HMGET', key, unpack(fields))) do
      if theirs then
        local name, mine = names[i], names[i] .. ':' .. forms[1]
        local ours = redis.call('HGET', key, mine)
        local better = not ours or (name == 'status' and further(theirs, ours)) or (name == 'carrier' and theirs < ours)
        if better then redis.call('HSET', key, mine, theirs) end
        redis.call('HDEL', key, fields[i])
      end
    end
  end
end

if type ~= '' then redis.call('HSET', key, 'type:' .. type, '1') end
local types = redis.call('HMGET', key, 'type:SMS', 'type:MMS')
local native = (types[1] or types[2]) and '1' or ''
local answers = {}
for i = 8, #ARGV, 4 do
  local forms, status, carrier, effect = cjson.decode(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local function field(name) return name .. ':' .. forms[1] end
  adopt(forms)
  local f = redis.call('HMGET', key, field('status'), field('carrier'), field('right'), field('held'), field('sent'))
  local known, owner, held, sent = f[1] or '', f[3], f[4] or '', f[5]
  if status ~= '' and further(status, f[1]) then
    known = status
    redis.call('HSET', key, field('status'), status)
  end
  if carrier == '' or (f[2] and f[2] > carrier) then
    carrier = f[2] or 'unknown'
  elseif carrier ~= f[2] then
    redis.call('HSET', key, field('carrier'), carrier)
  end

  local begun = underway[redis.call('HGET', ns .. ':effect:' .. effect, 'state') or ''] and '1' or ''
  local reached = (rank[known] or 0) >= rank.delivered
  if purpose == 'take' and not owner and not reached then
    owner = by
    redis.call('HSET', key, field('right'), by)
  elseif purpose == 'hold' and held == '' then
    held = at
    redis.call('HSET', key, field('held'), at)
  elseif purpose == 'sent' then
    sent = by
    redis.call('HSET', key, field('sent'), by)
  end
  local right = owner and (owner == by and 'granted' or 'taken') or ''
  local doubled = sent and reached and redis.call('HSETNX', key, field('doubled'), '1') == 1 and carrier or ''
  answers[#answers + 1] = { known, right, held, begun, native, doubled }
end
redis.call('PEXPIRE', key, ttl)
return answers
