-- ARGV: node, epoch, then key of the arc, page, ... as a MessagePack array.
-- Answers for each page: what is live, what is residue, and three letters: the
-- stage (h, c or d), whether the page is marked, whether the arc is closed.
local epoch = tonumber(ARGV[2])
if epoch < fence then return {'STALE'} end
if epoch > open then return {'AHEAD'} end
local of = newest(T[6])
local function get(key, page)
  local r = redis.pcall('HGET', key, page)
  if type(r) == 'table' then return 'corrupt' end
  return r
end

local pages, parts = cmsgpack.unpack(ARGV[3]), {'OK'}
for i = 1, #pages, 2 do
  local live, page = pages[i], pages[i + 1]
  local arc = string.sub(live, #'ff:c:' + 1)
  local moves = arc .. ':' .. of
  local s = string.sub(redis.call('HGET', 'ff:st', arc) or 'h', 1, 1)
  local n = #parts
  parts[n + 1] = get(live, page)
  parts[n + 2] = s == 'c' and get('ff:x:' .. moves, page)
  parts[n + 3] = s .. redis.call('SISMEMBER', 'ff:in:' .. moves, page) .. 1 - redis.call('GETBIT', 'ff:coming', arc)
end
return parts
