-- ARGV: node, table, then arc, ... as a MessagePack array. Answers the stage and
-- the number of pages of each; '' where one is no hash, which is no error of
-- the others.
local all = days()
local function keyed(arc)
  for _, day in ipairs(all) do
    if redis.call('EXISTS', keys_of(day, arc)) == 1 then return true end
  end
  return false
end

local function claim(arc)
  local live = 'ff:c:' .. arc
  local pages = redis.pcall('HLEN', live)
  if type(pages) == 'table' then return '', 0 end
  if pages == 0 and not keyed(arc) then
    set_stage(arc, 'd:0')
    return 'd', 0
  end
  if pages > 0 then redis.call('RENAME', live, residue_of(arc)) end
  set_stage(arc, 'c')
  return 'c', pages
end

local found = {}
for _, arc in ipairs(cmsgpack.unpack(ARGV[3])) do
  local s, pages = stage(arc)
  if not s then
    s, pages = claim(arc)
  elseif s == 'c' then
    pages = redis.pcall('HLEN', residue_of(arc))
    if type(pages) == 'table' then s, pages = '', 0 end
  end
  found[#found + 1] = s
  found[#found + 1] = int(pages)
end
return lasting(unpack(found))
