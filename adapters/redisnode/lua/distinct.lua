-- ARGV: node, window.
local n = redis.pcall('GET', 'ff:n:' .. ARGV[2]) or '0'
if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
return {'OK', n}
