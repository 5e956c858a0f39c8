-- Every script begins with this: it ends the script unless this is the node
-- that the caller means. KEYS are not used: a node is one Redis, no cluster.
-- ARGV[1] is the node's id, or '' where any will do.
local T = redis.call('HMGET', 'ff:T', 'node', 'fence', 'open', 'length', 'sealed', 'tables')
if not T[1] then return {'NOINIT'} end
if T[1] ~= ARGV[1] then return {'WRONGNODE'} end
local fence, open = tonumber(T[2]), tonumber(T[3] or '0')
local length, sealed = tonumber(T[4]), T[5] and tonumber(T[5])

-- now is the node's clock in milliseconds.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- int writes a whole number of up to 2^53 as Redis reads it.
local function int(n) return string.format('%d', n) end

-- current is the window to which an id goes: that of the clock, but never one
-- that is sealed.
local function current()
  local w = math.floor(now() / length)
  if sealed and w <= sealed then w = sealed + 1 end
  return w
end
