-- queue: put events into the queue and take them out of it.
--
-- Keys:   <ns>:queue, <ns>:wake, arq:job:<ns>:<id>, arq:retry:<ns>:<id>
-- Cost:   O(log queue) each
local function wake()
  if redis.call('LLEN', ns .. ':wake') < 8 then redis.call('RPUSH', ns .. ':wake', '1') end
end

-- add_job: write what stock arq reads of a job; our own workers claim events without it
local function add_job(id, received_at)
  local blob = '{"t":null,"f":"process","a":[' .. cjson.encode(id) .. '],"k":{},"et":' .. received_at .. '}'
  redis.call('SET', 'arq:job:' .. ns .. ':' .. id, blob)
end

-- enqueue: queue an event that comes or comes back; the job first, so that the queue holds none without it
local function enqueue(id, score, received_at)
  add_job(id, received_at)
  redis.call('ZADD', ns .. ':queue', score, ns .. ':' .. id)
end

-- requeue: move an event within the queue; stock arq may have taken it out, with its job
local function requeue(id, score, received_at)
  local job = ns .. ':' .. id
  if not redis.call('ZSCORE', ns .. ':queue', job) then return enqueue(id, score, received_at) end
  redis.call('ZADD', ns .. ':queue', score, job)
end

local function dequeue(id)
  local job = ns .. ':' .. id
  redis.call('ZREM', ns .. ':queue', job)
  redis.call('DEL', 'arq:job:' .. job, 'arq:retry:' .. job)
end
