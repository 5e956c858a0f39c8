-- Windows. No id goes to a sealed window, so sealing freezes the number of its ids
-- without a copy.
local function is_sealed(w) return open_window(tonumber(w)) ~= tonumber(w) end
local function seal_one(w)
  if is_sealed(w) then return end
  local spans, present, up_to, text = sealed_spans(), now() / length, '-9007199254740992', ''
  seal_span(spans, tonumber(w), tonumber(w))
  if #spans > 32 then seal_span(spans, spans[1][1], spans[2][2]) end
  for _, s in ipairs(spans) do
    if s[1] <= present + 1 then up_to = int(s[2]) end
    text = text .. ' ' .. int(s[1]) .. '..' .. int(s[2])
  end
  redis.call('HSET', STATE, 'sealed', up_to, 'marks', up_to .. text)
end

-- is_ahead tells whether a window begins later than now by more than most milliseconds:
-- all clocks were ahead when it was opened.
local function is_ahead(w, most) return w * length > now() + most end

-- has_ids tells whether the sets of a window have as many ids as were counted. They have
-- fewer if a part of them is not here.
local function has_ids(w, sets, n)
  local all = 0
  for set = 0, sets - 1 do
    local ids = redis.pcall('SCARD', P .. 'ids:' .. w .. ':' .. set)
    if type(ids) == 'table' then return false end
    all = all + ids
  end
  return int(all) == n
end

-- has_endpoints tells whether the endpoints of a waiting window are as many as were counted.
local function has_endpoints(w, all)
  return not redis.call('ZSCORE', P .. 'pend', w) or int(#all) == (redis.call('HGET', STATE, 'e:' .. w) or '0')
end

-- drop_numbers deletes the numbers of a partition's windows that were retired long enough
-- ago: fields do not expire.
local function drop_numbers()
  local retired, left = redis.call('HGET', STATE, 'retired') or '', ''
  for w, at in string.gmatch(retired, '(%S+) (%d+);') do
    if tonumber(at) > now() then
      left = left .. w .. ' ' .. at .. ';'
    else
      redis.call('HDEL', STATE, 'n:' .. w, 'e:' .. w)
    end
  end
  if left ~= retired then redis.call('HSET', STATE, 'retired', left) end
end

-- drop_sessions deletes sessions that were silent for life seconds, once an hour.
local function drop_sessions(life)
  local seconds, swept = math.floor(now() / 1000), redis.call('HGET', STATE, 'swept')
  if swept and seconds - swept < 3600 then return end
  redis.call('HSET', STATE, 'swept', int(seconds))
  local q = redis.call('HGETALL', SESSIONS)
  for i = 1, #q, 2 do
    if string.sub(q[i], 1, #OF) == OF and seconds - string.match(q[i + 1], '^%d+ (%d+)') > tonumber(life) then redis.call('HDEL', SESSIONS, q[i]) end
  end
end

-- drop_expired removes expired entries from the list, and old idempotency keys, a
-- few at a time. A broken place of keys stops no window.
local function drop_expired()
  for _, old in ipairs(redis.call('ZRANGE', P .. 'wins', 0, 15)) do
    if old ~= HEADER and redis.call('EXISTS', P .. 'win:' .. old) == 0 then redis.call('ZREM', P .. 'wins', old) end
  end
  for _, day in ipairs(redis.pcall('HKEYS', P .. 'kr')) do
    if day ~= HEADER and (tonumber(day) or 0) < today() - 1 then redis.call('HDEL', P .. 'kr', day) end
  end
  if type(redis.pcall('HLEN', P .. 'kn')) == 'table' then return end
  for _, day in ipairs(days()) do
    if tonumber(day) < today() - 1 then
      local arcs = redis.pcall('SPOP', P .. 'ka:' .. day, 256)
      for _, arc in ipairs(arcs) do redis.call('UNLINK', keys_of(day, arc)) end
      if #arcs == 0 then redis.call('HDEL', P .. 'kn', day) end
    end
  end
end

-- ARCS_A_STEP bounds what one heartbeat counts: no other call is served meanwhile.
local ARCS_A_STEP = 1024

-- count_pages counts the pages of some arcs. A round over all arcs begins once a minute:
-- moves, and other versions, add and remove some that no batch has counted. Until it ends,
-- pages is what the last round found, and what batches have added since. Then it is what
-- this round found. Of what batches have added between two steps, the arcs that were
-- counted before have their part, by their number. round is: when it began, the next arc,
-- the sum so far, and pages at the last step. It ends early if another version counts all.
local function count_pages(arcs)
  local seconds, t = math.floor(now() / 1000), redis.call('HMGET', STATE, 'counted', 'round')
  local counted, began, next, sum, before = t[1], string.match(t[2] or '', '^(%d+) (%d+) (-?%d+) (-?%d+)$')
  if not began or began ~= counted then
    if counted and seconds - counted < 60 and seconds >= tonumber(counted) then return end
    began, next, sum, before = int(seconds), 0, 0, pages
  end
  next, sum, arcs = tonumber(next), tonumber(sum), tonumber(arcs)
  sum = sum + (pages - before) * next / arcs
  local last = math.min(next + ARCS_A_STEP, arcs) - 1
  for arc = next, last do
    local n = redis.pcall('HLEN', P .. 'c:' .. int(arc))
    if type(n) ~= 'table' and n > 0 then sum = sum + n - (is_partition and 1 or 0) end
  end
  sum = int(math.floor(sum + 0.5))
  if last + 1 < arcs then
    redis.call('HSET', STATE, 'counted', began, 'round', began .. ' ' .. int(last + 1) .. ' ' .. sum .. ' ' .. int(pages))
  else
    redis.call('HSET', STATE, 'pages', sum)
    redis.call('HDEL', STATE, 'round')
  end
end

-- heartbeat answers the time in milliseconds, the current window, and at most limit
-- windows that wait to be closed: those before it, and those that are ahead. life is
-- that of a session in seconds, and letters_life that of a dead letter in milliseconds. If the
-- clocks disagree it only lists.
local function heartbeat(life, limit, caller, most, arcs, letters_life)
  if is_gone('pend') or is_gone('wins') then return {'MISSING'} end
  local w = int(current_window())
  if not skewed(caller, most) then
    redis.call('ZADD', P .. 'pend', w, w)
    if not T[6] then redis.call('HSET', STATE, 'format', '1') end
    drop_sessions(life)
    if is_partition then drop_numbers() end
    drop_expired()
    pcall(expire_letters, letters_life)
    count_pages(arcs)
  end
  local waiting = redis.call('ZRANGEBYSCORE', P .. 'pend', '(-inf', '(' .. w, 'LIMIT', 0, limit)
  local ahead = redis.call('ZRANGEBYSCORE', P .. 'pend', '(' .. w, '+inf', 'LIMIT', 0, limit - #waiting)
  for _, later in ipairs(ahead) do
    if is_ahead(later, most) then waiting[#waiting + 1] = later end
  end
  return {'OK', int(now()), w, unpack(waiting)}
end

-- waiting answers the newest limit windows before one that wait to be closed.
local function waiting(before, limit)
  if is_gone('pend') then return {'MISSING'} end
  local all = redis.call('ZREVRANGEBYSCORE', P .. 'pend', '(' .. before, '(-inf', 'LIMIT', 0, limit)
  table.insert(all, 1, 'OK')
  return all
end

-- seal answers the final number of ids of a window, to survive a failover. grace and the life of an entry
-- are milliseconds.
local function seal(w, grace, life, caller, most, sets)
  if is_gone('pend') then return {'MISSING'} end
  if not is_sealed(w) then
    if skewed(caller, most) then return {'SKEW', int(now() - caller)} end
    -- The current window may be ahead, too, if those before it are sealed.
    local early = tonumber(w) == current_window() or not is_ahead(w, most)
    if now() < (w + 1) * length + grace and early then return {'EARLY'} end
  end
  local n = number_of_ids(w)
  if not n and now() > (w + 1) * length + life and not redis.call('ZSCORE', P .. 'pend', w) then return {'RETIRED'} end
  n = n or '0'
  if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
  if not is_sealed(w) then
    if is_partition and not has_ids(w, sets, n) then return {'CORRUPT'} end
    redis.call('ZADD', P .. 'pend', w, w) -- first: a sealed window that does not wait is one that was retired
    seal_one(w)
  end
  return durable(n)
end

-- distinct answers the number of ids of a window.
local function distinct(w)
  local n = number_of_ids(w) or '0'
  if type(n) == 'table' or not string.match(n, '^%d+$') then return {'CORRUPT'} end
  return {'OK', n}
end

-- endpoints answers the endpoints of a window.
local function endpoints(w)
  local all = redis.pcall('SMEMBERS', P .. 'eps:' .. w)
  if all.err or is_partition and not has_endpoints(w, all) then return {'CORRUPT'} end
  table.insert(all, 1, 'OK')
  return all
end

-- retire ends a window. Its ids are deleted immediately, since nothing reads the ids
-- of a sealed window. Their number and the endpoints live for life seconds more.
local function retire(w, life, sets)
  if is_gone('pend') then return {'MISSING'} end
  seal_one(w)
  if redis.call('ZREM', P .. 'pend', w) == 1 then
    if is_partition then
      local retired = redis.call('HGET', STATE, 'retired') or ''
      redis.call('HSET', STATE, 'retired', retired .. int(w) .. ' ' .. int(now() + life * 1000) .. ';')
      redis.call('HDEL', STATE, 'i:' .. int(w))
    else
      redis.call('EXPIRE', P .. 'n:' .. w, life)
    end
    redis.call('EXPIRE', P .. 'eps:' .. w, life)
    for set = 0, sets - 1 do redis.call('UNLINK', P .. 'ids:' .. w .. ':' .. set) end
  end
  return {'OK'}
end
