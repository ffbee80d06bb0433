-- queue: how long the queue is, and how long it keeps due events waiting. Leased, timed and deferred events are not due.
-- Leased ones count as due while the event loop of their worker is blocked, since nobody makes progress with them.
--
-- requires: backlog live_workers orderings
-- Keys:   those of backlog, <ns>:counts, <ns>:waiting_turn:<handler>, <ns>:queue, <ns>:blocked, <ns>:held:<worker>, <ns>:workers;
--         none is written
-- Answer: {jobs in the queue, jobs that are due, ms since the first of those came due (0 where there is none), blocked workers,
--         workers that gave a sign within 15 s and are not stopping, events that wait for an earlier one: {handler, number …}, backlogs: {handler, number,
--         ms since the first of them was left open …}}
-- Cost:   O(log queue + workers + handlers)
local queue = ns .. ':queue'
local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
local age = first[2] and math.max(0, now - tonumber(first[2])) or 0
local due, workers = redis.call('ZCOUNT', queue, '-inf', now), 0
local blocked = redis.call('HGETALL', ns .. ':blocked')
for i = 1, #blocked, 2 do
  local known = cjson.decode(blocked[i + 1])
  if known.till > now then
    workers = workers + 1
    local held = redis.call('SCARD', ns .. ':held:' .. blocked[i])
    if held > 0 then age = math.max(age, now - known.since) end
    due = due + held
  end
end
local turns = {}
for name in pairs(registered()) do append(turns, name, redis.call('ZCARD', ns .. ':waiting_turn:' .. name)) end
-- Handlers of live workers have a number even if they left nothing open.
local live, signs = live_workers()
local handlers, backlogs = {}, {}
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':backlog')) do handlers[name] = true end
for _, sign in ipairs(signs) do
  local said = decoded(sign:match('^%d+ (.*)'))
  for _, name in ipairs(said and type(said.handlers) == 'table' and said.handlers or {}) do handlers[name] = true end
end
for name in pairs(handlers) do
  local oldest = redis.call('ZRANGE', backlog_key(name), 0, 0, 'WITHSCORES')
  append(backlogs, name, redis.call('ZCARD', backlog_key(name)))
  append(backlogs, oldest[2] and math.max(0, now - tonumber(oldest[2])) or 0)
end
return { redis.call('ZCARD', queue), due, age, workers, live, turns, backlogs }
