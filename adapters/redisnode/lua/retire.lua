-- ARGV: node, window, life of what is kept in seconds, number of sets. The
-- ids themselves go at once: once a window is sealed nobody asks for them.
local w = tonumber(ARGV[2])
if not (sealed and w <= sealed) then redis.call('HSET', 'ff:T', 'sealed', ARGV[2]) end
if redis.call('ZREM', 'ff:pend', ARGV[2]) == 1 then
  redis.call('EXPIRE', 'ff:n:' .. ARGV[2], ARGV[3])
  redis.call('EXPIRE', 'ff:eps:' .. ARGV[2], ARGV[3])
  for set = 0, ARGV[4] - 1 do redis.call('UNLINK', 'ff:ids:' .. ARGV[2] .. ':' .. set) end
end
return {'OK'}
