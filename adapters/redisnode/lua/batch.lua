-- apply_items applies all items. An empty argument is a kind without items; the last
-- ones are those of apply_more.
local function apply_items(refused, caller, most, visits, events, endpoint_limit, limit, ...)
  local item = 0
  page_limit = tonumber(limit)
  visits = visits ~= '' and cmsgpack.unpack(visits) or {} -- arc, page, count, ...
  for i = 1, #visits, 3 do
    local reason = add(visits[i], visits[i + 1], visits[i + 2])
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
  if events ~= '' then item = apply_ids(cmsgpack.unpack(events), caller, most, tonumber(endpoint_limit), refused, item) end
  if apply_more then apply_more(refused, item, caller, most, ...) end
  if added ~= 0 then pcall('HINCRBY', STATE, 'pages', int(added)) end
end

-- apply applies a batch unless the session says that it was applied. If replicas is not 0, so
-- many have to be online, and the caller waits until they have the batch: see durable. The mark
-- of a session is "seq time h{at} refused"; that of a version without histories has no at.
local function apply(epoch, session, seq, replicas, at, caller, most, ...)
  local last, before, placed, n = 0, '', '0', tonumber(seq)
  local q = redis.call('HGET', SESSIONS, OF .. session)
  if q then
    local s, r = string.match(q, '^(%d+) %d+ (.*)$')
    last, before = tonumber(s), r
    if string.sub(r, 1, 1) == 'h' then placed, before = string.match(r, '^h(%d+) (.*)$') end
  end
  replicas = tonumber(replicas)
  if n <= last and replicas > 0 then redis.call('HSET', STATE, 'touched', 1) end
  if n == last then return {'DUP', before, '', '', placed} end
  if n < last then return {'DUP', ''} end
  epoch = tonumber(epoch)
  if epoch < fence then return {'STALE'} end
  if epoch > open then return {'AHEAD'} end
  if n ~= last + 1 then return {'GAP', int(last)} end

  if replicas > 0 then
    local _, online = string.gsub(redis.call('INFO', 'replication'), 'state=online', '')
    if online < replicas then return {'REPLICAS', int(online)} end
  end

  local refused, t = {}, redis.call('TIME')
  at = history and choose_unit(at, t, caller, most) or '0'
  local mark = seq .. ' ' .. t[1] .. ' h' .. at .. ' '
  redis.call('HSET', SESSIONS, OF .. session, mark)
  apply_items(refused, caller, most, ...)
  local r = table.concat(refused, ',')
  if r ~= '' then redis.call('HSET', SESSIONS, OF .. session, mark .. r) end
  return {'OK', r, denied, missing, at}
end
