-- minute: an index so small that every event can have a place in it. For each minute, it holds the types and numbers of the
-- events accepted then. They are digests of 4 bytes, side by side. A search then looks into few minutes only.
--
-- Keys:   <ns>:minute:<minutes since 1970>
-- Cost:   O(digests)
local MINUTE = 60000
-- Those that are older are few, and dead: all of them are looked through.
local MINUTES_KEPT = 8 * 86400000

local function minute_key(at) return ns .. ':minute:' .. string.format('%.0f', math.floor(at / MINUTE)) end

local function index_minute(at, digests)
  if digests == '' then return end
  -- The first write brings its end with it, so that none is left without.
  if redis.call('SET', minute_key(at), digests, 'NX', 'PX', MINUTES_KEPT) then return end
  redis.call('APPEND', minute_key(at), digests)
end

-- holds_any: whether one of several digests is among others. One that is found across the border of two does not count.
local function holds_any(digests, wanted)
  for _, each in ipairs(wanted) do
    local at = digests:find(each, 1, true)
    while at and at % 4 ~= 1 do at = digests:find(each, at + 1, true) end
    if at then return true end
  end
end

-- from_hex: digests in hex, with commas between
local function from_hex(text)
  local digests = {}
  for each in text:gmatch('%x+') do
    digests[#digests + 1] = each:gsub('..', function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return digests
end
