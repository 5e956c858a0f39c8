-- ARGV: node, table, arc, cursor, number of pages. Answers the next cursor,
-- and page, count, ...
if stage(arc) ~= 'c' then return {'UNFINISHED'} end
local r = redis.call('HSCAN', residue, ARGV[4], 'COUNT', ARGV[5])
return {'OK', r[1], r[2]}
