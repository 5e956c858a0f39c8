-- ARGV: node, window.
local e = redis.pcall('SMEMBERS', 'ff:eps:' .. ARGV[2])
if e.err then return {'CORRUPT'} end
table.insert(e, 1, 'OK')
return e
