-- ARGV: node, deployment, epoch, change. The moves of another table begin, and
-- those of the last one are forgotten.
local t = redis.call('HMGET', 'ff:T', 'node', 'deployment', 'fence', 'change', 'open', 'fenced', 'tables', 'nexttables', 'nextcoming')
local epoch = tonumber(ARGV[3])
if not t[1] then return {'CONFLICT'} end
if t[1] ~= ARGV[1] or t[2] ~= ARGV[2] then return {'WRONGNODE'} end
if epoch < tonumber(t[3]) then return {'STALE'} end
if epoch ~= tonumber(t[3]) or t[4] ~= ARGV[4] then return {'CONFLICT'} end
if t[5] ~= ARGV[3] then
  if newest(t[7]) ~= newest(t[8]) then
    redis.call('UNLINK', 'ff:st', 'ff:coming')
    if t[9] and t[9] ~= '' then redis.call('SET', 'ff:coming', t[9]) end
  end
  redis.call('HSET', 'ff:T', 'open', ARGV[3], 'opened', t[6], 'tables', t[8])
  redis.call('HDEL', 'ff:T', 'nextcoming')
end
return lasting()
