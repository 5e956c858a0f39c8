-- ARGV: node, epoch, then arc, key, ... as a MessagePack array. Answers for
-- each its print, or false.
local epoch = tonumber(ARGV[2])
if epoch < fence then return {'STALE'} end
if epoch > open then return {'AHEAD'} end
local now_day, all, answer = today(), days(), {'OK'}
local keys = cmsgpack.unpack(ARGV[3])
for i = 1, #keys, 2 do
  local found = false
  for _, day in ipairs(all) do
    if not found and tonumber(day) >= now_day - 1 then
      found = redis.pcall('HGET', keys_of(day, keys[i]), keys[i + 1])
      if type(found) == 'table' then found = 'corrupt' end
    end
  end
  answer[#answer + 1] = found
end
return answer
