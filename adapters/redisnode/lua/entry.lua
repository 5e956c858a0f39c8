-- ARGV: node, window. Answers the entry and its calls.
local kept = redis.pcall('HGETALL', calls)
if kept.err then return {'CORRUPT'} end
return {'OK', entry(), kept}
