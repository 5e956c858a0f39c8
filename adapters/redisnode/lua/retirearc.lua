-- ARGV: node, table, arc, number of pages.
local s = stage(arc)
if s ~= 'd' then
  if s ~= 'c' or redis.call('HLEN', residue) ~= tonumber(ARGV[4]) then return {'UNFINISHED'} end
  -- The residue goes last: its size lets this be repeated, though a key of another
  -- type ended the script.
  for _, day in ipairs(days()) do drop_keys(day, arc) end
  redis.call('UNLINK', residue)
  set_stage(arc, 'd:' .. ARGV[4])
end
return lasting()
