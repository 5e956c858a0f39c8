-- ARGV: node, window, grace and life of an entry in milliseconds. No id goes to a window up to
-- the highest sealed one, so the size of w is frozen without being copied.
local w = tonumber(ARGV[2])
if not (sealed and w <= sealed) then
  if now() < (w + 1) * length + ARGV[3] then return {'EARLY'} end
end
local n = redis.pcall('GET', 'ff:n:' .. ARGV[2])
if not n and now() > (w + 1) * length + ARGV[4] and not redis.call('ZSCORE', 'ff:pend', ARGV[2]) then return {'RETIRED'} end
n = n or '0'
if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
if not (sealed and w <= sealed) then redis.call('HSET', 'ff:T', 'sealed', ARGV[2]) end
return {'OK', n}
