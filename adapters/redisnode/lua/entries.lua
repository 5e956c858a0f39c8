-- ARGV: node, window, limit. Answers window, entry, ... of those before it, newest
-- first. An entry that has expired leaves the list here, one that another type
-- has replaced is told as damaged.
local answer, left, before = {'OK'}, tonumber(ARGV[3]), '(' .. ARGV[2]
while left > 0 do
  local some = redis.call('ZREVRANGEBYSCORE', 'ff:wins', before, '-inf', 'LIMIT', 0, left)
  if #some == 0 then break end
  for _, w in ipairs(some) do
    local e = redis.pcall('HMGET', 'ff:win:' .. w, 'state', 'count', 'sink', 'endpoints', 'delivered', 'failed')
    if e.err then e = 'damaged' end
    if e == 'damaged' or e[1] then
      answer[#answer + 1] = w
      answer[#answer + 1] = e
      left = left - 1
    else
      redis.call('ZREM', 'ff:wins', w)
    end
    before = '(' .. w
  end
end
return answer
