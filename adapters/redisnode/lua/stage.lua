-- stage is how far an arc has come here: nothing, 'c' for claimed, or 'd' for
-- gone, and then the number of pages that it had.
local function stage(arc)
  return string.match(redis.call('HGET', 'ff:st', arc) or '', '^(%a):?(%d*)$')
end
local function set_stage(arc, s) redis.call('HSET', 'ff:st', arc, s) end

local function residue_of(arc) return 'ff:x:' .. arc .. ':' .. ARGV[2] end
