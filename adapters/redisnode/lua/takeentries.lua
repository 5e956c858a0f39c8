-- ARGV: node, table, life of an entry and of its calls in seconds, MessagePack array of
-- window, state, count, sink, endpoints, delivered, failed, array of endpoint,
-- call, ...
for _, e in ipairs(cmsgpack.unpack(ARGV[5])) do
  local key, calls = 'ff:win:' .. e[1], 'ff:cb:' .. e[1]
  local state = redis.pcall('HGET', key, 'state')
  if type(state) == 'table' then return {'CORRUPT'} end
  if not state or state == 'open' then
    -- The state comes last: an entry that has one is not taken again, though a key
    -- of another type ended the script.
    redis.call('ZADD', 'ff:wins', e[1], e[1])
    redis.call('DEL', calls)
    for i = 1, #e[8], 2 do redis.call('HSET', calls, e[8][i], e[8][i + 1]) end
    redis.call('EXPIRE', calls, ARGV[4])
    redis.call('HSET', key, 'state', e[2], 'count', e[3], 'sink', e[4], 'endpoints', e[5], 'delivered', e[6], 'failed', e[7])
    redis.call('EXPIRE', key, ARGV[3])
  end
end
return lasting()
