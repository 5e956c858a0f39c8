-- ARGV: node, deployment, epoch, change, document, length of a window in
-- milliseconds, tables by which ids go, epoch that the ring follows, 1 if it
-- lets an empty node in, 1 if the node is a newcomer by its newest table, the
-- arcs that it brings, and those whose coming it ends as a MessagePack array. An
-- empty node becomes this one.
local t = redis.call('HMGET', 'ff:T', 'node', 'deployment', 'fence', 'change', 'length', 'sealed', 'open', 'tables', 'openchange')
local epoch, fence, open = tonumber(ARGV[3]), tonumber(t[3] or '0'), tonumber(t[7] or '0')
if t[1] then
  if t[1] ~= ARGV[1] or t[2] ~= ARGV[2] then return {'WRONGNODE'} end
  if epoch < fence then return {'STALE'} end
  if epoch == fence and t[4] ~= ARGV[4] then return {'CONFLICT'} end
end
if epoch > fence then
  local has, gets = newest(t[8]), newest(ARGV[7])
  if open == 0 then
    if ARGV[9] ~= '1' and not (t[1] and ARGV[10] == '1') then return {'NOINIT'} end
  elseif open > tonumber(ARGV[8]) and t[9] ~= ARGV[4] then
    return {'CONFLICT'}
  elseif has ~= gets then
    if has ~= before(ARGV[7]) then return {'AHEAD'} end
    local coming = redis.call('BITCOUNT', 'ff:coming')
    for _, arc in ipairs(cmsgpack.unpack(ARGV[12])) do
      if coming == 0 then break end
      coming = coming - redis.call('GETBIT', 'ff:coming', arc)
    end
    if coming > 0 then return {'MOVING'} end
  end
  redis.call('HSET', 'ff:T', 'node', ARGV[1], 'deployment', ARGV[2], 'fence', ARGV[3], 'change', ARGV[4],
    'fenced', ARGV[5], 'length', ARGV[6], 'nexttables', ARGV[7], 'nextcoming', ARGV[11])
end
local clock = redis.call('TIME')
local w = math.floor((clock[1] * 1000 + math.floor(clock[2] / 1000)) / ARGV[6])
if t[6] and w <= tonumber(t[6]) then w = t[6] + 1 end
return lasting(string.format('%d', w))
