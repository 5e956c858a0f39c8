-- What scripts about the ring and about moves of arcs share.
-- newest and previous are the epochs of the first and the second table of a list.
local function newest(list) return string.match(list or '', '^%S+ (%d+);') end
local function previous(list) return string.match(list or '', '^%S+ %d+;%S+ (%d+);') end

-- durable answers OK, the number of replicas that are online, and the arguments.
-- The caller then waits until they have its writes. It always writes: WAIT covers
-- only what its own connection has written, and a step that was done before may
-- not have reached any replica.
local function durable(...)
  redis.call('HSET', STATE, 'touched', 1)
  local _, online = string.gsub(redis.call('INFO', 'replication'), 'state=online', '')
  return {'OK', int(online), ...}
end

-- opened is the epoch of the newest open table, as text; check_table sets it.
local opened

-- check_table refuses any table but the newest open one.
local function check_table(epoch)
  opened = newest(tables) or '0'
  if tonumber(epoch) < tonumber(opened) then return {'STALE'} end
  if tonumber(epoch) > tonumber(opened) then return {'AHEAD'} end
end
