-- Scripts about the moves of a table go on here. ARGV[2] is the table,
-- ARGV[3] the arc where there is one.
local opened, arc = tonumber(newest(T[6]) or '0'), ARGV[3]
if tonumber(ARGV[2]) < opened then return {'STALE'} end
if tonumber(ARGV[2]) > opened then return {'AHEAD'} end

-- stage is how far the arc has come here: nothing, 'c' for claimed, or 'd' for
-- gone with the number of pages that it had.
local function stage()
  return string.match(redis.call('HGET', 'ff:st', arc) or '', '^(%a):?(%d*)$')
end
local function set_stage(s) redis.call('HSET', 'ff:st', arc, s) end

local live, residue, marks = 'ff:c:', 'ff:x:', 'ff:in:'
if arc then
  live, residue, marks = live .. arc, residue .. arc .. ':' .. ARGV[2], marks .. arc .. ':' .. ARGV[2]
end
