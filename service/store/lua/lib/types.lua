-- types: whether an event type fits a pattern: `*`, the type itself, or its family followed by `.*`
--
-- Cost:   O(1)
local function fits(pattern, type)
  if pattern == '*' or pattern == type then return true end
  return pattern:sub(-2) == '.*' and type:sub(1, #pattern - 1) == pattern:sub(1, -2)
end
