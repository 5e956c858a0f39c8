-- ARGV: as for fenced, then the arcs that the newest table gives to the node,
-- and those of which it retains what has not left it, both as MessagePack arrays.
-- The moves of another table begin, and those of the last one are forgotten.
if t[5] ~= t[3] then
  if newest(t[7]) ~= newest(t[8]) then
    set_aside(cmsgpack.unpack(ARGV[5]), newest(t[8]))
    retain(cmsgpack.unpack(ARGV[6]), newest(t[7]), newest(t[8]))
    redis.call('UNLINK', 'ff:st', 'ff:coming')
    if t[9] and t[9] ~= '' then redis.call('SET', 'ff:coming', t[9]) end
  end
  redis.call('HSET', 'ff:T', 'open', t[3], 'openchange', t[4], 'opened', t[6], 'tables', t[8])
  redis.call('HDEL', 'ff:T', 'nextcoming', 'approved')
end
return lasting()
