-- ARGV: node, window, life of an entry in seconds, token, step, and what
-- belongs to the step: renew, lease in milliseconds; record, count; lose; publish,
-- sink; finish, endpoints, delivered, failed, life of the calls in seconds;
-- call, endpoint, result. No step moves a window back.
if token() ~= ARGV[4] then return {'STALETOKEN'} end
local state, step = field('state'), ARGV[5]
if step == 'renew' then
  change('until', int(now() + ARGV[6]))
elseif step == 'record' then
  if state == 'open' then change('state', 'sealed', 'count', ARGV[6]) end
  return {'OK', field('count')}
elseif step == 'lose' then
  if state == 'open' then change('state', 'lost') end
elseif step == 'publish' then
  if state == 'open' then return {'ORDER'} end
  if state == 'sealed' then change('state', 'published', 'sink', ARGV[6]) end
elseif step == 'finish' then
  if state == 'open' or state == 'sealed' then return {'ORDER'} end
  if state == 'published' then
    change('state', 'done', 'endpoints', ARGV[6], 'delivered', ARGV[7], 'failed', ARGV[8])
    redis.call('EXPIRE', calls, ARGV[9])
  end
elseif step == 'call' then
  redis.call('HSET', calls, ARGV[6], ARGV[7])
  change('state', state)
end
return {'OK'}
