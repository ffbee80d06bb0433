-- summaries: the records of events, without their bodies.
--
-- Keys:   <ns>:event:<id>
-- ARGV:   ids (at most 500)
-- Answer: for each id {field, value, field, value …}; empty where nothing is remembered
-- Cost:   O(ids × fields)
local answers = {}
for i = 1, #ARGV do
  local event = ns .. ':event:' .. ARGV[i]
  local record = {}
  local fields = redis.call('TYPE', event).ok == 'hash' and redis.call('HKEYS', event) or {}
  for _, field in ipairs(fields) do
    if field ~= 'body' then
      record[#record + 1] = field
      record[#record + 1] = redis.call('HGET', event, field)
    end
  end
  answers[#answers + 1] = record
end
return answers
