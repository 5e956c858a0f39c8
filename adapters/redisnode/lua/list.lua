-- ARGV: node, epoch, arc to begin with, cursor in it, number of pages, number
-- of arcs. Answers the next arc and cursor, and arc, {page, count, ...}, ...;
-- the arc behind the last one is the end.
local epoch = tonumber(ARGV[2])
if epoch < fence then return {'STALE'} end
if epoch > open then return {'AHEAD'} end
if redis.call('BITCOUNT', 'ff:coming') > 0 then return {'ARRIVING'} end
local arc, cursor, left = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local answer = {'OK', '', ''}
for _ = 1, 1024 do
  if left <= 0 or arc >= tonumber(ARGV[6]) then break end
  local r = redis.pcall('HSCAN', 'ff:c:' .. int(arc), cursor, 'COUNT', ARGV[5])
  if r.err then return {'CORRUPT'} end
  if #r[2] > 0 then
    answer[#answer + 1] = int(arc)
    answer[#answer + 1] = r[2]
    left = left - #r[2] / 2
  end
  cursor = r[1]
  if cursor == '0' then arc = arc + 1 end
end
answer[2], answer[3] = int(arc), cursor
return answer
