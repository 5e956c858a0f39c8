-- Steps of the move of an arc go on here. ARGV[3] is the arc.
local arc = ARGV[3]

local live, residue, marks = 'ff:c:' .. arc, residue_of(arc), 'ff:in:' .. arc .. ':' .. ARGV[2]

-- marked is how many pages have a mark. An empty one, which no page is, says
-- that all keys are there.
local function marked() return redis.call('SCARD', marks) - redis.call('SISMEMBER', marks, '') end
