-- The items of a batch. Items are numbered from 0 over all four kinds; a refused
-- one is appended to refused as "item:reason". Whatever can fail is tried before
-- the first write that cannot be repeated: an error that ends the script later would
-- leave a batch that is applied but not recorded, and a repetition would count twice.

-- apply_visits adds visits: key of the arc, page, count, ...
local function apply_visits(visits, refused, item)
  local pcall = redis.pcall
  for i = 1, #visits, 3 do
    local r = pcall('HINCRBY', visits[i], visits[i + 1], visits[i + 2])
    if type(r) == 'table' then refused[#refused + 1] = item .. reason_of(r) end
    item = item + 1
  end
  return item
end

-- id_table is the epoch of the table that routes the ids of a window.
local function id_table(w)
  for from, epoch in string.gmatch(tables, '(%S+) (%d+);') do
    if w >= tonumber(from) then return epoch end
  end
end

-- apply_ids adds ids to the current window: set, id, endpoint, table, ...
local function apply_ids(events, limit, refused, item)
  local pcall, w = redis.pcall, current_window()
  local valid, name = id_table(w), int(w)
  local ids, endpoints, size = 'ff:ids:' .. name .. ':', 'ff:eps:' .. name, 'ff:n:' .. name
  local has = pcall('INCRBY', size, 0)
  local broken = type(has) == 'table' or has > 2^52 or type(pcall('ZCARD', 'ff:pend')) == 'table'
  local known, fresh, taken = {}, 0, false

  -- endpoint_refused returns the reason for which an endpoint cannot be stored.
  local function endpoint_refused(endpoint)
    if known[endpoint] then return nil end
    local is = pcall('SISMEMBER', endpoints, endpoint)
    if type(is) == 'table' then return CORRUPT end
    if is == 0 and redis.call('SCARD', endpoints) >= limit then return LIMIT end
  end

  for i = 1, #events, 4 do
    local endpoint = events[i + 2]
    local reason = broken and CORRUPT or events[i + 3] ~= valid and TABLE or endpoint ~= '' and endpoint_refused(endpoint) or nil
    if not reason then
      local r = pcall('SADD', ids .. events[i], events[i + 1])
      if type(r) == 'table' then
        reason = CORRUPT
      else
        fresh, taken = fresh + r, true
        if endpoint ~= '' and not known[endpoint] then
          redis.call('SADD', endpoints, endpoint)
          known[endpoint] = true
        end
      end
    end
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
  if fresh > 0 then redis.call('INCRBY', size, fresh) end
  if taken then redis.call('ZADD', 'ff:pend', name, name) end
  return item
end

-- apply_more applies the other kinds of items; keyed.lua sets it.
local apply_more

-- apply applies a batch unless ff:Q says that it was applied. An empty argument
-- is a kind without items; the last three are those of apply_more.
local function apply(epoch, session, seq, visits, events, endpoint_limit, keyed, key_limit, counts)
  local last, before, n = 0, '', tonumber(seq)
  local q = redis.call('HGET', 'ff:Q', session)
  if q then
    local s, r = string.match(q, '^(%d+) %d+ (.*)$')
    last, before = tonumber(s), r
  end
  if n == last then return {'DUP', before} end
  if n < last then return {'DUP', ''} end
  epoch = tonumber(epoch)
  if epoch < fence then return {'STALE'} end
  if epoch > open then return {'AHEAD'} end
  if n ~= last + 1 then return {'GAP', int(last)} end

  local refused, item = {}, 0
  if visits ~= '' then item = apply_visits(cmsgpack.unpack(visits), refused, item) end
  if events ~= '' then item = apply_ids(cmsgpack.unpack(events), tonumber(endpoint_limit), refused, item) end
  if apply_more then apply_more(refused, item, keyed, tonumber(key_limit), counts) end

  local r = table.concat(refused, ',')
  redis.call('HSET', 'ff:Q', session, seq .. ' ' .. redis.call('TIME')[1] .. ' ' .. r)
  return {'OK', r}
end
