-- ARGV: node, table, then arc, ... as a MessagePack array of strings. Answers
-- for each arc how many pages have a mark, and whether there is the one that
-- says that all keys are there; nothing where it isn't coming. -1: marks that
-- are none, which is no error of the other arcs.
local found = {}
for i, arc in ipairs(cmsgpack.unpack(ARGV[3])) do
  local marks = 'ff:in:' .. arc .. ':' .. ARGV[2]
  local pages, keys = redis.pcall('SCARD', marks), redis.pcall('SISMEMBER', marks, '')
  if type(pages) == 'table' then pages, keys = -1, 0 end
  found[i] = redis.call('GETBIT', 'ff:coming', arc) == 0 and {} or {int(pages - keys), int(keys)}
end
return lasting(unpack(found))
