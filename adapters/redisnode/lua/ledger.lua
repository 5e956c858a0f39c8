-- Scripts about one window's entry go on here. ARGV[2] is the window. A key
-- of another type is an error of this window alone.
local key, calls = 'ff:win:' .. ARGV[2], 'ff:cb:' .. ARGV[2]
if type(redis.pcall('HLEN', key)) == 'table' then return {'CORRUPT'} end

-- field reads one field of the entry.
local function field(name) return redis.call('HGET', key, name) end

-- token names the owner as well as the number of claims, so that a node that
-- came back in an older state gives none that another owner holds.
local function token() return (field('claims') or '0') .. '-' .. (field('owner') or '') end

-- entry is all that is kept but the claim.
local function entry() return redis.call('HMGET', key, 'state', 'count', 'sink', 'endpoints', 'delivered', 'failed') end

-- change writes fields and lets the entry live on for ARGV[3] seconds.
local function change(...)
  redis.call('HSET', key, ...)
  redis.call('EXPIRE', key, ARGV[3])
end
