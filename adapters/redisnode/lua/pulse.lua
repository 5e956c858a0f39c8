-- ARGV: node. Answers fence, open, the number of arcs that are coming, and that
-- of keys that count; -1 where what stands there is none.
local day, kept = today(), 0
local counts = redis.pcall('HMGET', 'ff:kn', int(day - 1), int(day), int(day + 1))
for i = 1, 3 do
  local n = not counts.err and tonumber(counts[i] or '0')
  kept = n and kept >= 0 and kept + math.max(n, 0) or -1
end
return {'OK', int(fence), int(open), int(redis.call('BITCOUNT', 'ff:coming')), int(kept)}
