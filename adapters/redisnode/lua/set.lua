-- set gives pages their counts. ARGV[10]: arc, page, count, ... as a MessagePack
-- array, the count empty where the page is to be forgotten.
local function set(refused, items)
  local s = cmsgpack.unpack(ARGV[10])
  for i = 1, #s, 3 do
    local arc, page, count, reason = s[i], s[i + 1], s[i + 2], nil
    local r = redis.pcall('GETBIT', 'ff:coming', arc)
    if r == 1 then
      reason = MOVING
    else
      if count == '' then
        r = redis.pcall('HDEL', 'ff:c:' .. arc, page)
      else
        r = redis.pcall('HSET', 'ff:c:' .. arc, page, count)
      end
      if type(r) == 'table' then reason = CORRUPT end
    end
    if reason then refused[#refused + 1] = items .. reason end
    items = items + 1
  end
end
