-- packed_event: an event as Python packs it: five parts, each behind its length in 4 bytes, then its body, which JSON cannot
-- hold. The parts are its identity, its type, arrived_by, its index terms (digests of 4 bytes, of its type and then of the
-- numbers in it), and a JSON object of what only some events have, which is `more` ('' where there is nothing).
--
-- Cost:   O(size of the event)
local NOTHING = {}

local function unpack_event(packed)
  local identity, type, arrived_by, terms, more, body_at = struct.unpack('>I4c0I4c0I4c0I4c0I4c0', packed)
  return { identity = identity, type = type, arrived_by = arrived_by, terms = terms, body = packed:sub(body_at),
    more = more ~= '' and cjson.decode(more) or NOTHING }
end
