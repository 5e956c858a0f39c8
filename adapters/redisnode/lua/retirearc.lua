-- ARGV: node, table, arc, number of pages.
local s = stage(arc)
if s ~= 'd' then
  if s ~= 'c' or redis.call('HLEN', residue) ~= tonumber(ARGV[4]) then return {'UNFINISHED'} end
  redis.call('UNLINK', residue)
  for _, day in ipairs(days()) do
    local keys = redis.call('HLEN', keys_of(day, arc))
    if keys > 0 then
      redis.call('HINCRBY', 'ff:kn', day, -keys)
      redis.call('SREM', 'ff:ka:' .. day, arc)
      redis.call('UNLINK', keys_of(day, arc))
    end
  end
  set_stage(arc, 'd:' .. ARGV[4])
end
return lasting()
