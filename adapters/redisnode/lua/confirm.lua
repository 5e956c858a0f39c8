-- ARGV: node, table, then arc, ... as a MessagePack array of strings. Answers
-- for each arc how many pages have a mark, and whether there is the one that
-- says that all keys are there; nothing where it isn't coming.
local found = {}
for i, arc in ipairs(cmsgpack.unpack(ARGV[3])) do
  local marks = 'ff:in:' .. arc .. ':' .. ARGV[2]
  local keys = redis.call('SISMEMBER', marks, '')
  found[i] = redis.call('GETBIT', 'ff:coming', arc) == 0 and {} or {int(redis.call('SCARD', marks) - keys), int(keys)}
end
return lasting(unpack(found))
