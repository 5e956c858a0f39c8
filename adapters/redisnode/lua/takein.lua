-- ARGV: node, table, arc, then page, count, ... as a MessagePack array of
-- strings. Answers the number of pages that are marked, and what was refused;
-- nothing when the arc isn't coming.
if redis.call('GETBIT', 'ff:coming', arc) == 0 then return {'OK'} end
local refused = {}
local pages = ARGV[4] ~= '' and cmsgpack.unpack(ARGV[4]) or {}
for i = 1, #pages, 2 do
  if redis.call('SISMEMBER', marks, pages[i]) == 0 then
    local reason
    if string.sub(pages[i + 1], 1, 1) == '-' then
      reason = CORRUPT
    else
      local r = redis.pcall('HINCRBY', live, pages[i], pages[i + 1])
      if type(r) == 'table' then reason = why(r) end
    end
    -- The mark comes last: one without its count would lose the residue.
    if reason then
      refused[#refused + 1] = int((i - 1) / 2) .. reason
    else
      redis.call('SADD', marks, pages[i])
    end
  end
end
return {'OK', int(marked()), table.concat(refused, ',')}
