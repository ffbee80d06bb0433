-- permissions: which commands and which keys this user is refused. Nothing runs, but the marker of readiness is written.
--
-- Keys:   <ns>:readyz; the others are only asked about
-- ARGV:   JSON arrays, each a whole command with all its arguments (an incomplete one would crash the server)
-- Answer: the numbers, from 1, of those that are refused
-- Cost:   O(arguments)
local marked = redis.pcall('SET', ns .. ':readyz', '1', 'PX', 60000)
-- A user who may not even do that is to know of all other refusals too.
if marked.err and not (marked.err:find('ACL', 1, true) or marked.err:find('NOPERM', 1, true)) then return marked end
local refused = {}
for i = 1, #ARGV do
  local answered, allowed = pcall(redis.acl_check_cmd, unpack(cjson.decode(ARGV[i])))
  if answered and not allowed then refused[#refused + 1] = i end
end
return refused
