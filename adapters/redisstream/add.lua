#!lua
-- Adds a report to a stream, unless its id is in the set of ids that were added. KEYS: the
-- stream, and the set. ARGV: id, longest length of the stream or 0, and the fields of the entry.
-- Without ARGV it checks whether it could. Answer: ready, added or known. The server
-- refuses it whole where it may not write.
local stream, ids = KEYS[1], KEYS[2]
-- Seconds; ids, more than windows of a second make in that time; ids that one call removes.
local kept, most, removed = 8 * 86400, 700000, 100

-- All rights are checked first, so that no call ends half done.
local calls = {
  {'TYPE', stream}, {'TYPE', ids}, {'TIME'}, {'XADD', stream, '*', 'id', ''}, {'UNLINK', ids},
  {'ZSCORE', ids, 'id'}, {'ZCOUNT', ids, '-inf', '0'}, {'ZCARD', ids}, {'ZREMRANGEBYRANK', ids, '0', '0'},
  {'ZADD', ids, '0', 'id'}, {'EXPIRE', ids, '1'},
}
for _, call in ipairs(calls) do
  if not redis.acl_check_cmd(unpack(call)) then
    return redis.error_reply('NOPERM the user may not run ' .. table.concat(call, ' ', 1, math.min(#call, 2)))
  end
end
local missing
for key, want in pairs({[stream] = 'stream', [ids] = 'zset'}) do
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= want then
    return redis.error_reply('WRONGTYPE the key ' .. key .. ' is a ' .. is .. ', want a ' .. want)
  end
  missing = missing or key == stream and is == 'none'
end
if #ARGV == 0 then return redis.status_reply('ready') end

if missing then -- the stream was deleted, and may be filled again
  redis.call('UNLINK', ids)
end
if redis.call('ZSCORE', ids, ARGV[1]) then return redis.status_reply('known') end
local now = tonumber(redis.call('TIME')[1])
local old = math.max(redis.call('ZCOUNT', ids, '-inf', now - kept), redis.call('ZCARD', ids) + 1 - most)
if old > 0 then
  redis.call('ZREMRANGEBYRANK', ids, 0, math.min(old, removed) - 1)
end
local entry = {stream}
if ARGV[2] ~= '0' then
  entry = {stream, 'MAXLEN', '=', ARGV[2]}
end
entry[#entry + 1] = '*'
for i = 3, #ARGV do entry[#entry + 1] = ARGV[i] end
redis.call('XADD', unpack(entry))
redis.call('ZADD', ids, now, ARGV[1])
redis.call('EXPIRE', ids, kept)
return redis.status_reply('added')
