-- causes: the dead events by cause, which is a handler and its reason. Each cause has an index of its own. So counts, first and
-- last times and pages cost the same however many events are dead.
--
-- requires: handlers
-- Keys:   <ns>:causes, <ns>:died:<digest of a cause>, <ns>:event:<id>
-- Cost:   O(dead handlers of the event × log events of the cause)
local MAX_CAUSES, OTHER = 1000, 'other'

local function died_key(digest) return ns .. ':died:' .. digest end

local function cause_of(handler, reason) return redis.sha1hex(handler .. '\n' .. reason):sub(1, 16) end

-- known_cause: the digest of a cause, which is noted at its first death. Beyond MAX_CAUSES the others of a handler are one.
local function known_cause(handler, reason)
  local digest = cause_of(handler, reason)
  if redis.call('HEXISTS', ns .. ':causes', digest) == 0 then
    if redis.call('HLEN', ns .. ':causes') >= MAX_CAUSES then reason, digest = OTHER, cause_of(handler, OTHER) end
    redis.call('HSETNX', ns .. ':causes', digest, cjson.encode({ handler = handler, reason = reason, first = now }))
  end
  return digest
end

-- index_causes: index an event that died at a time under the causes of its dead handlers. `results` are new records (JSON) of
-- handlers by field. Answers the digests, for the record, with blanks between.
local function index_causes(id, at, names, results)
  local digests, known = {}, {}
  for _, name in ipairs(names or {}) do
    local handler = handler_of(results and results['h:' .. name] or redis.call('HGET', event_key(id), 'h:' .. name))
    local digest = handler.state == 'dead' and known_cause(name, handler.reason or '')
    if digest and not known[digest] then
      known[digest] = true
      append(digests, digest)
      redis.call('ZADD', died_key(digest), at, id)
    end
  end
  return table.concat(digests, ' ')
end

-- dead_of_cause: the names of an event's dead handlers, of this name and for this reason ('': any). OTHER are all reasons that
-- are counted together.
local function dead_of_cause(event, wanted, reason)
  if reason ~= OTHER then return (dead_handlers(event, wanted, reason)) end
  local found, digests = {}, redis.call('HGET', event, 'causes') or ''
  local names, reasons = dead_handlers(event, wanted, '')
  for i, name in ipairs(names) do
    if reasons[i] == OTHER or not digests:find(cause_of(name, reasons[i]), 1, true) then append(found, name) end
  end
  return found
end

local function leave_causes(id)
  local digests = redis.call('HGET', event_key(id), 'causes') or ''
  for digest in digests:gmatch('%S+') do redis.call('ZREM', died_key(digest), id) end
end
