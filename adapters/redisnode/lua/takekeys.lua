-- ARGV: node, table, arc, then day, key, print, ... as a MessagePack array of
-- strings; none says that these are all. Answers nothing when the arc isn't coming.
if redis.call('GETBIT', 'ff:coming', arc) == 0 then return {'OK'} end
local now_day, all = today(), days()
local keys = ARGV[4] ~= '' and cmsgpack.unpack(ARGV[4]) or {}
for i = 1, #keys, 3 do
  local known = false
  for _, day in ipairs(all) do
    known = known or tonumber(day) >= now_day - 1 and redis.call('HEXISTS', keys_of(day, arc), keys[i + 1]) == 1
  end
  if not known then keep(keys[i], arc, keys[i + 1], keys[i + 2]) end
end
if #keys == 0 then redis.call('SADD', marks, '') end
return {'OK', '1'}
