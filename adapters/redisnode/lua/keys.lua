-- Idempotency keys. They are stored by the day, in UTC, on which they came:
-- ff:k:{day}:{arc} holds those of an arc, ff:ka:{day} the arcs, ff:kn the number of keys of
-- each day, and ff:kr that of the requests which brought them here. Keys of yesterday,
-- today and tomorrow count; tomorrow's exist because clocks differ.
local function today() return math.floor(now() / 86400000) end
local function keys_of(day, arc) return P .. 'k:' .. day .. ':' .. arc end

-- days lists the days that have keys, oldest first.
local function days()
  local all = {}
  for _, day in ipairs(redis.call('HKEYS', P .. 'kn')) do
    if day ~= HEADER then all[#all + 1] = day end
  end
  table.sort(all, function(a, b) return tonumber(a) < tonumber(b) end)
  return all
end

-- store_key stores a key unless it exists. It returns the answer of a command that
-- failed.
local function store_key(day, arc, key, print)
  local new = redis.pcall('HSETNX', keys_of(day, arc), key, print)
  if type(new) == 'table' then return new end
  if new == 0 then return nil end
  local number = redis.pcall('HINCRBY', P .. 'kn', day, 1)
  if type(number) == 'table' then return number end
  local added = redis.pcall('SADD', P .. 'ka:' .. day, arc)
  return type(added) == 'table' and added or nil
end

-- drop_keys deletes the keys of an arc and a day. It returns 1 if there were any.
local function drop_keys(day, arc)
  local n = redis.pcall('HLEN', keys_of(day, arc))
  if type(n) ~= 'table' and n > 0 and redis.call('HEXISTS', P .. 'kn', day) == 1 then
    redis.call('SREM', P .. 'ka:' .. day, arc) -- first: if it fails, the number must not be reduced
    redis.call('HINCRBY', P .. 'kn', day, -n)
  end
  return redis.call('UNLINK', keys_of(day, arc))
end

-- has_left tells whether an arc of a partition has keys of one of some days that are not
-- here.
local function has_left(among, arc)
  for _, day in ipairs(among) do
    if is_gone('k:' .. day .. ':' .. arc) and redis.pcall('SISMEMBER', P .. 'ka:' .. day, arc) == 1 then return true end
  end
  return false
end

-- find_key returns what is stored for a key on the given days: its fingerprint,
-- the error of a broken hash, or false.
local function find_key(among, arc, key)
  for _, day in ipairs(among) do
    local print = redis.pcall('HGET', keys_of(day, arc), key)
    if print then return print end
  end
  return false
end
