-- The entry of a window: ff:win:{w}, with its deliveries in ff:cb:{w}. A key of
-- another type is an error of this window only.
local function entry_of(w) return P .. 'win:' .. w end
local function deliveries_of(w) return P .. 'cb:' .. w end
local function is_corrupt(key) return type(redis.pcall('HLEN', key)) == 'table' end

-- values answers an entry without its claim.
local function values(key) return redis.call('HMGET', key, 'state', 'count', 'sink', 'endpoints', 'delivered', 'failed') end

-- token names the owner and the number of claims, so that a store restored to an
-- older state issues no token that another owner holds.
local function token(key)
  local c = redis.call('HMGET', key, 'claims', 'owner')
  return (c[1] or '0') .. '-' .. (c[2] or '')
end

-- change writes fields and lets the entry and its deliveries live for life seconds more.
local function change(w, life, ...)
  redis.call('HSET', entry_of(w), ...)
  redis.call('EXPIRE', entry_of(w), life)
  redis.call('EXPIRE', deliveries_of(w), life)
end

-- claim answers the new token, which is empty for a finished window, and the entry.
-- life is in seconds, lease in milliseconds; a lease that ends later than the longest
-- was given before the clock stepped back.
local function claim(w, life, owner, lease, longest)
  local key = entry_of(w)
  if is_gone('wins') then return {'MISSING'} end
  if is_corrupt(key) then return {'CORRUPT'} end
  local has = redis.call('HMGET', key, 'state', 'owner', 'until')
  if has[1] == 'done' or has[1] == 'lost' then return {'OK', '', values(key)} end
  local ms = now()
  local left = tonumber(has[3] or '0') - ms
  if has[2] and has[2] ~= owner and left > 0 and left <= tonumber(longest) then return {'BUSY'} end
  redis.call('HINCRBY', key, 'claims', 1)
  redis.call('HSETNX', key, 'state', 'open')
  change(w, life, 'owner', owner, 'until', int(ms + lease))
  redis.call('ZADD', P .. 'wins', w, w)
  return {'OK', token(key), values(key)}
end

-- make_letter makes a dead letter of a delivery that failed permanently; without a name there
-- is none. rest is the record without the count. Broken letters stop no window.
local function make_letter(key, name, rest, ...)
  if name == '' then return end
  local count = redis.call('HGET', key, 'count') or '0'
  add_letter(letter_time(now()) .. name, '0', '-', count .. ' ' .. rest)
  bound_letters(...)
end

-- advance changes an entry for the owner of a claim, and answers it, to survive a
-- failover: the entry may not fall behind what was published. life is that
-- of the entry in seconds. A step that was done before changes nothing, and no step
-- moves a window back. The arguments after the action belong to one action each: lease
-- (milliseconds) to renew, count to record, sink to publish, endpoint and delivery to
-- call, the others to finish. deliveries_life is in seconds. letter is what make_letter takes
-- of the dead letter that a call makes.
local function advance(w, life, given, action, lease, count, sink, endpoint, delivery, endpoints, delivered, failed, deliveries_life, ...)
  local key = entry_of(w)
  if is_corrupt(key) then return {'CORRUPT'} end
  if token(key) ~= given then return {'STALETOKEN'} end
  local state = redis.call('HGET', key, 'state')
  local open, recorded = state == 'open', state == 'sealed'
  if action == 'renew' then
    change(w, life, 'until', int(now() + lease))
  elseif action == 'record' and open then
    change(w, life, 'state', 'sealed', 'count', count)
  elseif action == 'lose' and open then
    change(w, life, 'state', 'lost')
  elseif open and action == 'publish' or (open or recorded) and action == 'finish' then
    return {'ORDER'}
  elseif action == 'publish' and recorded then
    change(w, life, 'state', 'published', 'sink', sink)
  elseif action == 'finish' and state == 'published' then
    change(w, life, 'state', 'done', 'endpoints', endpoints, 'delivered', delivered, 'failed', failed)
    redis.call('EXPIRE', deliveries_of(w), deliveries_life)
  elseif action == 'call' then
    local before = redis.call('HGET', deliveries_of(w), endpoint) or ''
    redis.call('HSET', deliveries_of(w), endpoint, delivery)
    change(w, life, 'state', state)
    if not string.match(before, '^%d+ %d+ true') then pcall(make_letter, key, ...) end
  end
  return durable(values(key))
end

-- entry answers an entry and its deliveries.
local function entry(w)
  local key = entry_of(w)
  if is_corrupt(key) then return {'CORRUPT'} end
  local deliveries = redis.pcall('HGETALL', deliveries_of(w))
  if deliveries.err then return {'CORRUPT'} end
  return {'OK', values(key), deliveries}
end

-- entries answers window, entry, ... of the newest limit members of the list before a
-- window, after the last of these members, which is empty if there are no others. It
-- removes an expired entry from the list, and answers 'damaged' for a broken one.
local function entries(before, limit)
  if is_gone('wins') then return {'MISSING'} end
  local some = redis.call('ZREVRANGEBYSCORE', P .. 'wins', '(' .. before, '(-inf', 'LIMIT', 0, limit)
  local answer = {'OK', #some == tonumber(limit) and some[#some] or ''}
  for _, w in ipairs(some) do
    local e = redis.pcall('HMGET', entry_of(w), 'state', 'count', 'sink', 'endpoints', 'delivered', 'failed')
    if e.err then e = 'damaged' end
    if e == 'damaged' or e[1] then
      answer[#answer + 1] = w
      answer[#answer + 1] = e
    else
      redis.call('ZREM', P .. 'wins', w)
    end
  end
  return answer
end

-- further tells whether a state follows another one.
local function further(state, than)
  return than == 'sealed' and (state == 'published' or state == 'done') or than == 'published' and state == 'done'
end

-- import_entries stores entries of another node, unless the window has one here that
-- is neither open nor an earlier state with the same count. The lives of entries and of deliveries are in seconds. all: window,
-- state, count, sink, endpoints, delivered, failed, {endpoint, result, ...}; ...
local function import_entries(life, deliveries_life, all)
  for _, e in ipairs(unpacked(all)) do
    local key, deliveries = entry_of(e[1]), deliveries_of(e[1])
    local has = redis.pcall('HMGET', key, 'state', 'count')
    if has.err then return {'CORRUPT'} end
    if not has[1] or has[1] == 'open' or has[2] == e[3] and further(e[2], has[1]) then
      -- The state comes last: if a broken key ends the script before, the entry is
      -- imported again.
      redis.call('ZADD', P .. 'wins', e[1], e[1])
      redis.call('DEL', deliveries)
      for i = 1, #e[8], 2 do redis.call('HSET', deliveries, e[8][i], e[8][i + 1]) end
      change(e[1], life, 'state', e[2], 'count', e[3], 'sink', e[4], 'endpoints', e[5], 'delivered', e[6], 'failed', e[7])
      redis.call('EXPIRE', deliveries, deliveries_life)
    end
  end
  return durable()
end
