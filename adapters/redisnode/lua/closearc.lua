-- ARGV: node, table, arc, number of pages.
if redis.call('GETBIT', 'ff:coming', arc) == 1 then
  if marked() < tonumber(ARGV[4]) then return {'UNFINISHED'} end
  redis.call('SETBIT', 'ff:coming', arc, 0)
  redis.call('UNLINK', marks)
end
return lasting()
