-- ARGV: node, epoch, then key of the arc, page, ... as a MessagePack array.
-- Answers OK and the counts; false is a page that was never visited.
local epoch = tonumber(ARGV[2])
if epoch < fence then return {'STALE'} end
if epoch > open then return {'AHEAD'} end
local pages = cmsgpack.unpack(ARGV[3])
local counts = {'OK'}
for i = 1, #pages, 2 do
  local r = redis.pcall('HGET', pages[i], pages[i + 1])
  if type(r) == 'table' then r = 'corrupt' end
  counts[#counts + 1] = r
end
return counts
