-- changes: collects what a script changes for events, and writes it with one command for each structure.
--
-- Redis does not undo a script that fails half-way. So the places of events are written first, then the counters, then the
-- records. The `state` in a record makes the rest count. Everything before can be repeated. Any settle repeats the rest: jobs
-- leave the queue.
--
-- requires: minute
-- Keys:   <ns>:counts, <ns>:queue, <ns>:wake, <ns>:events, <ns>:ended, <ns>:dead, <ns>:bodies, <ns>:event:<id>, <ns>:unkeyed,
--         <ns>:turns, those of minute
-- Cost:   O(changes × log queue)
local COUNTERS = { 'accepted', 'done', 'ignored', 'dead', 'open' }
local PLACES = { { 'ZREM', ':dead' }, { 'ZREM', ':bodies' }, { 'ZREM', ':ended' }, { 'ZREM', ':events' }, { 'ZADD', ':unkeyed' },
  { 'ZADD', ':queue' }, { 'ZADD', ':events' }, { 'ZADD', ':dead' }, { 'ZADD', ':ended' }, { 'ZADD', ':bodies' } }
-- The queue is left last. As long as an event is there, the next claim settles it.
local departures = { { 'ZREM', ':queue' } }
local MAX_ARGUMENTS, MAX_TOKENS = 4000, 8
local TOKENS = { '1', '1', '1', '1', '1', '1', '1', '1' }
local TURNS = { { 'HSET', ':turns' }, { 'HDEL', ':turns' } }
local collected = { ZADD = {}, ZREM = {}, SREM = {}, HSET = {}, HDEL = {} }
local records, order, afterwards, terms, due_soon = {}, {}, {}, {}, 0
local counted, recounted, sequence, is_sequence_new, stored_orderings
-- Whose turn it is in a lane (see order): what is stored (false: nothing), and the lanes where it changes.
local turns, turned = {}, {}
-- The events whose leases a batch gives back once their records are written.
local released = {}

-- collect: add two arguments to the command that changes one structure
local function collect(command, index, first, second)
  local args = collected[command][index] or {}
  collected[command][index] = args
  args[#args + 1], args[#args + 2] = first, second
end

-- collect_record: set the fields and values that are written into an event's record
local function collect_record(id, fields)
  records[id], order[#order + 1] = fields, id
end

-- counters: how many events were accepted, and how many are in each state, read once in a script. The order of events is
-- read with them.
local function counters()
  if counted then return counted end
  counted = {}
  local stored = redis.call('HMGET', ns .. ':counts', 'sequence', 'orderings', unpack(COUNTERS))
  sequence, stored_orderings = tonumber(stored[1]) or 0, stored[2]
  for i, name in ipairs(COUNTERS) do counted[name] = tonumber(stored[i + 2] or '0') end
  return counted
end

-- next_sequence: the place of an event in the order of acceptance. It is the time in µs or, where that is taken, the next number.
-- So it still grows when the counter is lost, and when the clock is set back. A text, since Redis would round the number.
local function next_sequence()
  counters()
  sequence, is_sequence_new = math.max(sequence + 1, time[1] * 1000000 + time[2]), true
  return string.format('%.0f', sequence)
end

-- count: an event is in one state and no longer in another. Without `before` it is accepted, without `after` deleted.
local function count(before, after)
  local left, entered, numbers = before or 'accepted', after or 'accepted', counters()
  numbers[left] = numbers[left] + (before and -1 or 1)
  numbers[entered] = numbers[entered] + (after and 1 or -1)
  recounted = recounted or {}
  recounted[left], recounted[entered] = numbers[left], numbers[entered]
end

-- requeue: give an event its place in the queue. A waiting worker looks again after a second at the latest. It is woken for
-- events that come due before that, unless `quietly`.
local function requeue(id, score, quietly)
  collect('ZADD', ':queue', score, ns .. ':' .. id)
  if tonumber(score) < now + 1000 and not quietly then due_soon = due_soon + 1 end
end

local function dequeue(job)
  collect('ZREM', ':queue', job)
end

-- collect_end: add an event to the indexes of its end ('ZADD', now, id), or remove it ('ZREM', id)
local function collect_end(command, state, first, second)
  collect(command, state == 'dead' and ':dead' or ':ended', first, second)
  if state ~= 'dead' then collect(command, ':bodies', first, second) end
end

local function write(steps)
  for _, step in ipairs(steps) do
    local command, index = step[1], step[2]
    local args = collected[command][index]
    for i = 1, args and #args or 0, MAX_ARGUMENTS do
      local last = math.min(i + MAX_ARGUMENTS - 1, #args)
      redis.call(command, ns .. index, unpack(args, i, last))
    end
    collected[command][index] = nil
  end
end

-- write_turns: write whose turn it is now in the lanes where that changes
local function write_turns()
  local given, gone = {}, {}
  for lane in pairs(turned) do
    local stored = turns[lane]
    if stored then
      given[#given + 1], given[#given + 2] = lane, stored
    else
      gone[#gone + 1] = lane
    end
  end
  collected.HSET[':turns'], collected.HDEL[':turns'] = given, gone
  write(TURNS)
  turned = {}
end

-- write_changes: write what was collected. The functions in `afterwards` are called when the records are written. `staying`
-- leaves out what leaves the queue, for the next call.
local function write_changes(staying)
  index_minute(now, table.concat(terms))
  write(PLACES)
  local tokens = due_soon > 0 and math.min(due_soon, MAX_TOKENS - redis.call('LLEN', ns .. ':wake')) or 0
  if tokens > 0 then redis.call('RPUSH', ns .. ':wake', unpack(TOKENS, 1, tokens)) end
  if recounted then
    local args = {}
    for name, number in pairs(recounted) do args[#args + 1], args[#args + 2] = name, number end
    if is_sequence_new then append(args, 'sequence', string.format('%.0f', sequence)) end
    redis.call('HSET', ns .. ':counts', unpack(args))
  end
  for _, id in ipairs(order) do redis.call('HSET', event_key(id), unpack(records[id])) end
  -- Before the queue is left, since no later claim sees an ended event that keeps a turn.
  if next(turned) then write_turns() end
  if not staying then write(departures) end
  for _, finish in ipairs(afterwards) do finish() end
  records, released, order, afterwards, terms, due_soon, recounted, is_sequence_new = {}, {}, {}, {}, {}, 0, nil, false
end
