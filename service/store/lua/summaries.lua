-- summaries: the records of events, without their bodies.
--
-- Keys:   <ns>:event:<id>; none is written
-- ARGV:   ids (at most 500)
-- Answer: for each id {field, value, field, value …}; empty where nothing is remembered
-- Cost:   O(ids × fields)
return answer_each(1, function(id)
  local event, record = event_key(id), {}
  for _, field in ipairs(redis.call('TYPE', event).ok == 'hash' and redis.call('HKEYS', event) or {}) do
    if field ~= 'body' then append(record, field, redis.call('HGET', event, field)) end
  end
  return record
end)
