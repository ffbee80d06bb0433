-- format: ends a script where a later version has changed the form of what is stored. So an older worker misreads nothing.
-- That version writes the number of its format. Without a number it is the first one.
--
-- Keys:   <ns>:format
-- Cost:   O(1)
local NEWEST_FORMAT = 1

local function refuse_later_format()
  if tonumber(redis.call('GET', ns .. ':format') or '1') == NEWEST_FORMAT then return end
  error({ err = 'NEWERFORMAT the data has the format of a later version' })
end
