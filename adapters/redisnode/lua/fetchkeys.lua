-- ARGV: node, table, arc, cursor ("day cursor", empty at first), number of keys.
-- Answers the next cursor, the day, and key, print, ... A claimed arc gets no
-- more keys, since no batch of an open epoch comes here with it: they are
-- where they were.
if stage(arc) ~= 'c' then return {'UNFINISHED'} end
local at, cursor = string.match(ARGV[4], '^(%S+) (%d+)$')
local all = days()
for i, day in ipairs(all) do
  if not at or tonumber(day) >= tonumber(at) then
    local r = redis.call('HSCAN', keys_of(day, arc), day == at and cursor or '0', 'COUNT', ARGV[5])
    local next = ''
    if r[1] ~= '0' then
      next = day .. ' ' .. r[1]
    elseif all[i + 1] then
      next = all[i + 1] .. ' 0'
    end
    return {'OK', next, day, r[2]}
  end
end
return {'OK', '', '0', {}}
