-- Idempotency keys are kept by the day, in UTC, on which they came: ff:k:{day}:{arc}
-- has those of an arc, ff:ka:{day} the arcs, ff:kn the number of keys of each
-- day. Those of yesterday, today and, as clocks differ, tomorrow count.
local function today() return math.floor(now() / 86400000) end
local function keys_of(day, arc) return 'ff:k:' .. day .. ':' .. arc end

-- days are those of which there are keys, oldest first.
local function days()
  local all = redis.call('HKEYS', 'ff:kn')
  table.sort(all, function(a, b) return tonumber(a) < tonumber(b) end)
  return all
end

-- keep keeps a key unless it is there, and tells whether it was not.
local function keep(day, arc, key, print)
  if redis.call('HSETNX', keys_of(day, arc), key, print) == 0 then return false end
  redis.call('HINCRBY', 'ff:kn', day, 1)
  redis.call('SADD', 'ff:ka:' .. day, arc)
  return true
end

-- drop_keys forgets the keys of an arc and a day, and tells whether there were any.
local function drop_keys(day, arc)
  local n = redis.pcall('HLEN', keys_of(day, arc))
  if type(n) ~= 'table' and n > 0 and redis.call('HEXISTS', 'ff:kn', day) == 1 then
    redis.call('SREM', 'ff:ka:' .. day, arc) -- first, as an error must not leave them counted off
    redis.call('HINCRBY', 'ff:kn', day, -n)
  end
  return redis.call('UNLINK', keys_of(day, arc))
end
