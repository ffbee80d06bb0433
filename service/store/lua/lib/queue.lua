-- queue: put events into the queue and take them out of it.
--
-- Keys:   <ns>:queue, <ns>:wake, arq:job:<ns>:<id>, arq:retry:<ns>:<id>
-- Cost:   O(log queue) each
local function wake()
  if redis.call('LLEN', ns .. ':wake') < 8 then redis.call('RPUSH', ns .. ':wake', '1') end
end

local function enqueue(id, score, received_at)
  local job = ns .. ':' .. id
  local blob = '{"t":null,"f":"process","a":[' .. cjson.encode(id) .. '],"k":{},"et":' .. received_at .. '}'
  redis.call('SET', 'arq:job:' .. job, blob)
  redis.call('ZADD', ns .. ':queue', score, job)
end

local function dequeue(id)
  local job = ns .. ':' .. id
  redis.call('ZREM', ns .. ':queue', job)
  redis.call('DEL', 'arq:job:' .. job, 'arq:retry:' .. job)
end
