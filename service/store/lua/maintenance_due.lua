-- maintenance_due: which maintenance is due. One worker at a time is given it: it holds the lock, and keeps that by asking
-- again in time. So a worker without work asks once, and not once for each step.
--
-- requires: describe_blocks format lost
-- Keys:   <ns>:maintenance, <ns>:notices, <ns>:ended, <ns>:dead, <ns>:dead_checked_until, <ns>:bodies, <ns>:erasing, <ns>:jobs_due, <ns>:queue,
--         <ns>:event:<id>, <ns>:events, and those of format and describe_blocks
-- ARGV:   worker, for how long it has the lock (ms), retention of ended events (ms), of dead ones (ms), of bodies (ms), rank
--         among the events to look for lost ones from, how many to look at (at most 500)
-- Answer: {1 if this worker has the lock, blocks as describe_blocks answers, names of the steps that are due, how many events
--         were looked at, per mille of the server's memory limit that are used: 0 without a limit or the right to see it}
-- Cost:   O(blocks + events to look at)
local worker, lock = ARGV[1], ARGV[2]
local ended_before, dead_before, bodies_before = now - ARGV[3], now - ARGV[4], now - ARGV[5]
local described, blocks = pcall(describe_blocks)
if not described then blocks = {} end
local steps = {}

-- add_due: a step whose check meets a damaged value is due too, so that the worker logs its failure
local function add_due(step, is_due)
  local fine, due = pcall(is_due)
  if due or not fine then append(steps, step) end
end

local function has_until(index, score, after)
  return #redis.call('ZRANGEBYSCORE', ns .. index, after or '-inf', score, 'LIMIT', 0, 1) > 0
end

local function is_probe_due()
  for _, block in ipairs(blocks) do
    for i = 3, #block, 2 do
      local probe_at = block[i] == 'probe_at' and tonumber(block[i + 1]) or -1
      if probe_at >= 0 and probe_at <= now then return true end
    end
  end
  return not described
end

-- has_lost: whether one of these events is open and not in the queue
local function has_lost(ids)
  for _, id in ipairs(ids) do
    if is_lost(id) then return true end
  end
  return false
end

-- used_memory: without the buffers for the file and the replicas, as the server compares it with its limit. INFO only advises:
-- a user without the right to it loses nothing else. So it is called in a way that does not list it as a need.
local function used_memory()
  local try = redis.pcall
  local info = try('INFO', 'memory')
  if type(info) ~= 'string' then return 0 end
  local function read(name) return tonumber(info:match('[\r\n]' .. name .. ':(%d+)') or '0') end
  local limit = read('maxmemory')
  return limit > 0 and math.floor((read('used_memory') - read('mem_not_counted_for_evict')) * 1000 / limit) or 0
end

refuse_later_format()
add_due('notify', function() return has_until(':notices', now) end)
local holder = redis.call('GET', ns .. ':maintenance')
if holder and holder ~= worker then return { 0, blocks, steps, 0, 0 } end
redis.call('SET', ns .. ':maintenance', worker, 'PX', lock)
local ids = redis.call('ZRANGE', ns .. ':events', ARGV[6], ARGV[6] + ARGV[7] - 1)
local checked = redis.call('GET', ns .. ':dead_checked_until') or '0'
add_due('probe', is_probe_due)
add_due('release', function() return redis.call('SCARD', ns .. ':blocks') > #blocks end)
add_due('forget', function() return has_until(':ended', ended_before) or has_until(':dead', dead_before) end)
add_due('prune', function() return has_until(':bodies', bodies_before) end)
add_due('sweep', function() return has_lost(ids) end)
add_due('log_dead', function() return has_until(':dead', now - 1, '(' .. checked) end)
add_due('jobs', function() return has_until(':jobs_due', now) end)
add_due('erase_ended', function() return redis.call('EXISTS', ns .. ':erasing') == 1 end)
return { 1, blocks, steps, #ids, used_memory() }
