-- Steps of the move of an arc go on here. ARGV[3] is the arc.
local arc = ARGV[3]

-- stage is how far the arc has come here: nothing, 'c' for claimed, or 'd' for
-- gone with the number of pages that it had.
local function stage()
  return string.match(redis.call('HGET', 'ff:st', arc) or '', '^(%a):?(%d*)$')
end
local function set_stage(s) redis.call('HSET', 'ff:st', arc, s) end

local live, residue, marks = 'ff:c:' .. arc, 'ff:x:' .. arc .. ':' .. ARGV[2], 'ff:in:' .. arc .. ':' .. ARGV[2]

-- marked is how many pages have a mark. An empty one, which no page is, says
-- that all keys are there.
local function marked() return redis.call('SCARD', marks) - redis.call('SISMEMBER', marks, '') end
