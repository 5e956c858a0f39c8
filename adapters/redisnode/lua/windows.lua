-- Windows. No id goes to a window up to the highest sealed one, so sealing
-- freezes the number of its ids without a copy.
local function is_sealed(w) return sealed and tonumber(w) <= sealed end
local function seal_up_to(w)
  if not is_sealed(w) then redis.call('HSET', 'ff:T', 'sealed', w) end
end

-- drop_sessions deletes sessions that were silent for life seconds, once an hour.
local function drop_sessions(life)
  local seconds, swept = math.floor(now() / 1000), redis.call('HGET', 'ff:T', 'swept')
  if swept and seconds - swept < 3600 then return end
  redis.call('HSET', 'ff:T', 'swept', int(seconds))
  local q = redis.call('HGETALL', 'ff:Q')
  for i = 1, #q, 2 do
    if seconds - string.match(q[i + 1], '^%d+ (%d+)') > tonumber(life) then redis.call('HDEL', 'ff:Q', q[i]) end
  end
end

-- drop_expired removes expired entries from the list, and old idempotency keys, a
-- few at a time. A broken place of keys stops no window.
local function drop_expired()
  for _, old in ipairs(redis.call('ZRANGE', 'ff:wins', 0, 15)) do
    if redis.call('EXISTS', 'ff:win:' .. old) == 0 then redis.call('ZREM', 'ff:wins', old) end
  end
  if type(redis.pcall('HLEN', 'ff:kn')) == 'table' then return end
  for _, day in ipairs(days()) do
    if tonumber(day) < today() - 1 then
      local arcs = redis.pcall('SPOP', 'ff:ka:' .. day, 256)
      for _, arc in ipairs(arcs) do redis.call('UNLINK', keys_of(day, arc)) end
      if #arcs == 0 then redis.call('HDEL', 'ff:kn', day) end
    end
  end
end

-- heartbeat answers the current window, and at most limit windows before it that
-- wait to be closed. life is that of a session in seconds.
local function heartbeat(life, limit)
  local w = int(current_window())
  redis.call('ZADD', 'ff:pend', w, w)
  drop_sessions(life)
  drop_expired()
  return {'OK', w, unpack(redis.call('ZRANGEBYSCORE', 'ff:pend', '-inf', '(' .. w, 'LIMIT', 0, limit))}
end

-- seal answers the final number of ids of a window. grace and the life of an entry
-- are milliseconds.
local function seal(w, grace, life)
  if not is_sealed(w) and now() < (w + 1) * length + grace then return {'EARLY'} end
  local n = redis.pcall('GET', 'ff:n:' .. w)
  if not n and now() > (w + 1) * length + life and not redis.call('ZSCORE', 'ff:pend', w) then return {'RETIRED'} end
  n = n or '0'
  if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
  seal_up_to(w)
  return {'OK', n}
end

-- distinct answers the number of ids of a window.
local function distinct(w)
  local n = redis.pcall('GET', 'ff:n:' .. w) or '0'
  if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
  return {'OK', n}
end

-- endpoints answers the endpoints of a window.
local function endpoints(w)
  local all = redis.pcall('SMEMBERS', 'ff:eps:' .. w)
  if all.err then return {'CORRUPT'} end
  table.insert(all, 1, 'OK')
  return all
end

-- retire ends a window. Its ids are deleted immediately, since nothing reads the ids
-- of a sealed window. Their number and the endpoints live for life seconds more.
local function retire(w, life, sets)
  seal_up_to(w)
  if redis.call('ZREM', 'ff:pend', w) == 1 then
    redis.call('EXPIRE', 'ff:n:' .. w, life)
    redis.call('EXPIRE', 'ff:eps:' .. w, life)
    for set = 0, sets - 1 do redis.call('UNLINK', 'ff:ids:' .. w .. ':' .. set) end
  end
  return {'OK'}
end
