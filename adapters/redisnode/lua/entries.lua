-- ARGV: node, limit. Answers window, entry, ..., newest first. An entry that
-- has expired leaves the list here, one that another type has replaced is
-- told as damaged.
local answer = {'OK'}
if tonumber(ARGV[2]) < 1 then return answer end
for _, w in ipairs(redis.call('ZREVRANGE', 'ff:wins', 0, ARGV[2] - 1)) do
  local e = redis.pcall('HMGET', 'ff:win:' .. w, 'state', 'count', 'sink', 'endpoints', 'delivered', 'failed')
  if e.err then e = 'damaged' end
  if e == 'damaged' or e[1] then
    answer[#answer + 1] = w
    answer[#answer + 1] = e
  else
    redis.call('ZREM', 'ff:wins', w)
  end
end
return answer
