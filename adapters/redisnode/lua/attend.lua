-- ARGV: node, life of a session in seconds, most windows to list.
local w, seconds = current(), math.floor(now() / 1000)
redis.call('ZADD', 'ff:pend', int(w), int(w))
local swept = redis.call('HGET', 'ff:T', 'swept')
if not swept or seconds - swept >= 3600 then
  redis.call('HSET', 'ff:T', 'swept', int(seconds))
  local q = redis.call('HGETALL', 'ff:Q')
  for i = 1, #q, 2 do
    if seconds - string.match(q[i + 1], '^%d+ (%d+)') > tonumber(ARGV[2]) then redis.call('HDEL', 'ff:Q', q[i]) end
  end
end
-- Entries that have expired leave the list, a few at a time.
for _, old in ipairs(redis.call('ZRANGE', 'ff:wins', 0, 15)) do
  if redis.call('EXISTS', 'ff:win:' .. old) == 0 then redis.call('ZREM', 'ff:wins', old) end
end
-- Idempotency keys that count no more go a few arcs at a time. What is no place
-- of keys stops no window.
local keyed = type(redis.pcall('HLEN', 'ff:kn')) == 'table' and {} or days()
for _, day in ipairs(keyed) do
  if tonumber(day) < today() - 1 then
    local arcs = redis.pcall('SPOP', 'ff:ka:' .. day, 256)
    for _, arc in ipairs(arcs) do redis.call('UNLINK', keys_of(day, arc)) end
    if #arcs == 0 then redis.call('HDEL', 'ff:kn', day) end
  end
end
local answer = redis.call('ZRANGEBYSCORE', 'ff:pend', '-inf', '(' .. int(w), 'LIMIT', 0, ARGV[3])
table.insert(answer, 1, int(w))
table.insert(answer, 1, 'OK')
return answer
