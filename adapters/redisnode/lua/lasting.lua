-- lasting is the answer of a script whose effect has to outlive a fail-over:
-- OK, the number of replicas that have to follow, and the rest. It writes in
-- any case: a WAIT is for what its own connection has written, and a script
-- that finds its work done may find what no replica has.
local function lasting(...)
  redis.call('HSET', 'ff:T', 'touched', 1)
  local _, online = string.gsub(redis.call('INFO', 'replication'), 'state=online', '')
  return {'OK', string.format('%d', online), ...}
end
