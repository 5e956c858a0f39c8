-- ARGV: node, table, arc. Answers the stage and the number of pages.
local s, pages = stage()
if not s then
  pages = redis.pcall('HLEN', live)
  if type(pages) == 'table' then return {'CORRUPT'} end
  local keyed = false
  for _, day in ipairs(days()) do keyed = keyed or redis.call('EXISTS', keys_of(day, arc)) == 1 end
  if pages > 0 then redis.call('RENAME', live, residue) end
  if pages > 0 or keyed then
    s = 'c'
    set_stage(s)
  else
    s = 'd'
    set_stage('d:0')
  end
elseif s == 'c' then
  pages = redis.call('HLEN', residue)
end
return lasting(s, int(pages))
