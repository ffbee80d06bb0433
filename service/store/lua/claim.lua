-- claim: take due events under one lease. The score of each moves to the lease's end. So the events of a crashed worker come
-- due without help. The handlers of an event are fixed here, when it is claimed for the first time. An event whose lease
-- lapsed twice is a poison suspect, and goes only to a worker that runs nothing else. Lapsed once more while alone, it is
-- dead. A claim whose reply was lost is repeated under its number, and answered with the events that it took then.
-- Events of a handler that runs in order are left to the workers that run it so. Others take their turns here.
--
-- requires: changes claimed_turns format handlers lease order quarantine_record settle silence types
-- Keys:   those of format, settle, silence, lease and quarantine_record, <ns>:claim:<worker>, <ns>:paused
-- ARGV:   worker, number of the claim, lease (ms), limit, alone ('1': the worker runs nothing else), routes (JSON:
--         handler name → its event types), ordered (likewise, the handlers that run in order, or ''), optionally one event id:
--         then only this one
-- Answer: {claimed, foreign, wait, now, poison_suspects, paused, damaged, uncertain_before}: claimed = for each event {id, {field, value …}},
--         with the answer of take_turns as the field `turn`, where there is one; foreign = ids
--         of due jobs in the queue that are no events of ours; wait = ms until the next job is due, -1 where there is none; now =
--         the server's time (ms); poison_suspects = how many were passed over; paused = handlers that are paused;
--         damaged = ids of events that were ended because their records are damaged; uncertain_before = the time (ms) before
--         which an event may have been handled in a time that is lost (silence)
-- Cost:   O(limit × (log queue + record)). Bodies of more than 1 MiB in all are left to the next claim
local worker, number, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, alone, routes, only = tonumber(ARGV[4]), ARGV[5] == '1', cjson.decode(ARGV[6]), ARGV[8]
local ordered = ARGV[7] ~= '' and cjson.decode(ARGV[7]) or {}
local prefix, token, held = ns .. ':', worker .. ':' .. number, ns .. ':held:' .. worker
local lease_until = string.format('%.0f', now + lease)
local POISON_SUSPECT, MAX_SKIPPED, MAX_SCANNED, MAX_PAGE = 2, 500, 5000, 1000
-- Bytes of bodies: to copy more would keep the server from others for more than a few milliseconds.
local MAX_BYTES = 1048576
local claimed, chosen, foreign, poison_suspects, damaged, subscriptions, bytes = {}, {}, {}, 0, {}, {}, 0
-- Events in order come due at fractions of a millisecond.
local until_now = string.format('(%.0f', now + 1)
local MIN_PAUSE, left_to_others, others = 1000, false, nil
local in_order = {}

local function find_subscribed(type)
  local names = {}
  for name, patterns in pairs(routes) do
    local subscribed = false
    for _, pattern in ipairs(patterns) do subscribed = subscribed or fits(pattern, type) end
    if subscribed then append(names, name) end
  end
  table.sort(names)
  return #names > 0 and cjson.encode(names) or '[]'
end

-- read: a record, whole, since it is answered where it is claimed
local function read(event)
  local flat, f = redis.call('HGETALL', event), {}
  for i = 1, #flat, 2 do f[flat[i]] = flat[i + 1] end
  return { flat = flat, fields = f, state = f.state, lease = f.lease, leased = f.lease and (tonumber(f.lease_until) or 0) > now,
    lapses = tonumber(f.lapses) or 0, handlers = f.handlers, order = f.order, type = f.type, received_at = tonumber(f.received_at),
    bytes = #(f.body or '') }
end

-- is_left_to_others: whether a handler of an event runs in order on other workers, and not on this one
local function is_left_to_others(event, record)
  others = others or run_elsewhere(ordered)
  for name, handler in pairs(others) do
    local concerned = false
    if record.handlers then
      for _, each in ipairs(names_of(record.handlers) or {}) do concerned = concerned or each == name end
      local state = concerned and handler_of(redis.call('HGET', event, 'h:' .. name)).state
      concerned = concerned and state ~= 'done' and state ~= 'dead'
    else
      for _, pattern in ipairs(handler.types) do concerned = concerned or fits(pattern, record.type) end
    end
    if concerned then return true end
  end
  return false
end

local function choose(id, event, record, is_suspect)
  local type, flat = record.type, record.flat
  if not record.handlers then subscriptions[type] = subscriptions[type] or find_subscribed(type) end
  local handlers = record.handlers or subscriptions[type]
  if not names_of(handlers) then error('its list of handlers cannot be read') end
  local fields = { 'handlers', handlers, 'lease', token, 'lease_until', lease_until }
  if is_suspect then fields[7], fields[8] = 'alone', '1' end
  local known = #flat
  for i = 1, #fields do flat[known + i] = fields[i] end
  bytes = bytes + record.bytes
  local each = { id = id, event = event, received_at = record.received_at, set = fields, answer = { id, flat },
    names = names_of(handlers), record = record.fields }
  chosen[#chosen + 1] = each
  if record.order then in_order[#in_order + 1] = each end
end

-- lease_chosen: lease the chosen events. They are noted as held before they are, since the repetition of this claim looks for
-- its events among these. The places in the queue come last, so that events without a lease are still found there. Turns come
-- first, so that a leased event has its own or a place.
local function lease_chosen()
  local ids = {}
  if #in_order > 0 then order_claimed(in_order, ordered, worker, token) end
  in_order = {}
  for i, each in ipairs(chosen) do ids[i] = each.id end
  if #ids == 0 then return end
  redis.call('SADD', held, unpack(ids))
  redis.call('PEXPIRE', held, DAY)
  for _, each in ipairs(chosen) do
    redis.call('HSET', each.event, unpack(each.set))
    if only or not each.received_at then
      settle(each.id)
    else
      requeue(each.id, math.max(now + lease, each.received_at), true)
    end
    claimed[#claimed + 1] = each.answer
  end
  chosen = {}
  write_changes()
end

-- stand_earlier: let the events that come due before one stand in their lanes, since no claim took them. Answers whether these
-- are all.
local function stand_earlier(record)
  local jobs = redis.call('ZRANGEBYSCORE', ns .. ':queue', '-inf', '(' .. (record.fields.due or now), 'LIMIT', 0, MAX_SCANNED)
  for _, job in ipairs(jobs) do
    local id = job:sub(#prefix + 1)
    local f = job:sub(1, #prefix) == prefix and redis.pcall('HMGET', event_key(id), 'state', 'order', 'handlers') or { err = '' }
    if not f.err and f[1] == 'open' and f[2] and not f[3] then stand(id, sequence_of(id), lanes_of(f[2]), ordered) end
  end
  return #jobs < MAX_SCANNED
end

-- try_claim: choose a due job if it may be claimed. Answers whether it is still due, and whether nothing more may be claimed.
local function try_claim(job)
  local id = job:sub(#prefix + 1)
  local event = event_key(id)
  local record = job:sub(1, #prefix) == prefix and read(event)
  if not record or #record.flat == 0 then
    local running = is_in_our_slot(job) and redis.call('EXISTS', 'arq:in-progress:' .. job) == 1
    if not running then foreign[#foreign + 1] = job end
    return true, false
  end
  local claimable = record.state == 'open' and not record.leased
  if claimable and record.order and is_left_to_others(event, record) then
    -- So that none that is accepted later passes it on this worker.
    if next(ordered) and not record.handlers then stand(id, sequence_of(id, record.fields), lanes_of(record.order), ordered) end
    left_to_others = true
    return true, false
  end
  if claimable and record.lease then
    -- This worker's own renewal extends or ends it.
    if worker_of(record.lease) == worker then return true, false end
    record_lapse(id, record.lease)
    kill_poison(id)
    collect_release(id, record.lease)
    write_changes()
    record = read(event)
    claimable = combined_state(event, names_of(record.handlers)) == 'open'
  end
  if not claimable then
    settle(id)
    return false, false
  end
  local is_suspect = record.lapses >= POISON_SUSPECT
  if is_suspect and not (alone and #claimed + #chosen == 0) then
    poison_suspects = poison_suspects + 1
    settle(id, false, true)
    return true, false
  end
  if only and record.order and not record.handlers and not stand_earlier(record) then return true, true end
  choose(id, event, record, is_suspect)
  return false, is_suspect
end

-- try_claim_safely: a damaged record ends alone, and hinders no other event
local function try_claim_safely(job)
  local fine, still_due, enough = pcall(try_claim, job)
  if fine then return still_due, enough end
  local id = job:sub(#prefix + 1)
  if not is_damage(event_key(id), still_due) then error(still_due) end
  quarantine_record(id)
  damaged[#damaged + 1] = id
  return false, false
end

-- claim_due: page after page, since jobs that stay due without being taken must not hide those after them
local function claim_due()
  local passed, looked, enough = 0, 0, false
  repeat
    local wanted = math.min(limit - #claimed, MAX_PAGE)
    local jobs = only and { prefix .. only } or redis.call('ZRANGEBYSCORE', ns .. ':queue', '-inf', until_now, 'LIMIT', passed, wanted)
    looked = looked + #jobs
    for _, job in ipairs(jobs) do
      local still_due
      still_due, enough = try_claim_safely(job)
      if still_due then passed = passed + 1 end
      enough = enough or bytes >= MAX_BYTES
      if enough then break end
    end
    lease_chosen()
  until only or enough or #jobs < wanted or #claimed >= limit or passed >= MAX_SKIPPED or looked >= MAX_SCANNED
end

local function repeat_claim()
  for _, id in ipairs(redis.call('SMEMBERS', held)) do
    local event = event_key(id)
    local record = read(event)
    if record.lease == token and record.leased then
      settle(id)
      record = read(event)
      local each = { id = id, set = {}, answer = { id, record.flat }, names = names_of(record.handlers) or {}, record = record.fields }
      claimed[#claimed + 1] = each.answer
      if record.order then in_order[#in_order + 1] = each end
    end
  end
  if #in_order > 0 then order_claimed(in_order, ordered, worker, token) end
  for _, each in ipairs(in_order) do
    if #each.set > 0 then redis.call('HSET', event_key(each.id), unpack(each.set)) end
  end
  in_order = {}
end

refuse_later_format()
if ARGV[7] ~= '' then see_ordered(ordered) end
local uncertain_before = note_silence()
if redis.call('SET', ns .. ':claim:' .. worker, number, 'PX', DAY, 'GET') == number then repeat_claim() end
-- A repeated claim took nothing, or failed before it did.
if #claimed == 0 then claim_due() end
write_changes()
local next = redis.call('ZRANGE', ns .. ':queue', 0, 0, 'WITHSCORES')
local wait = next[2] and math.max(left_to_others and MIN_PAUSE or 0, tonumber(next[2]) - now) or -1
return { claimed, foreign, wait, now, poison_suspects, redis.call('SMEMBERS', ns .. ':paused'), damaged, uncertain_before }
