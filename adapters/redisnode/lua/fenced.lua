-- ARGV: node, deployment, epoch, change. It ends the script unless the node is
-- fenced for that.
local t = redis.call('HMGET', 'ff:T', 'node', 'deployment', 'fence', 'change', 'open', 'fenced', 'tables', 'nexttables', 'nextcoming')
if not t[1] then return {'CONFLICT'} end
if t[1] ~= ARGV[1] or t[2] ~= ARGV[2] then return {'WRONGNODE'} end
if tonumber(ARGV[3]) < tonumber(t[3]) then return {'STALE'} end
if ARGV[3] ~= t[3] or t[4] ~= ARGV[4] then return {'CONFLICT'} end
