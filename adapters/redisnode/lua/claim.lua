-- ARGV: node, window, life of an entry in seconds, owner, lease in milliseconds.
local state = field('state')
if state == 'done' or state == 'lost' then return {'OK', '', entry()} end
local ms, owner = now(), field('owner')
if owner and owner ~= ARGV[4] and ms < tonumber(field('until')) then return {'BUSY'} end
redis.call('HINCRBY', key, 'claims', 1)
redis.call('HSETNX', key, 'state', 'open')
change('owner', ARGV[4], 'until', int(ms + ARGV[5]))
redis.call('ZADD', 'ff:wins', ARGV[2], ARGV[2])
return {'OK', token(), entry()}
