-- Scripts about the moves of a table go on here. ARGV[2] is the table.
local opened = tonumber(newest(T[6]) or '0')
if tonumber(ARGV[2]) < opened then return {'STALE'} end
if tonumber(ARGV[2]) > opened then return {'AHEAD'} end
