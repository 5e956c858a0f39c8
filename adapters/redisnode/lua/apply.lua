-- The items of a batch. Items are numbered from 0 over all four kinds; a refused
-- one is appended to refused as "item:reason". The batch is recorded before its first
-- item, and every command for an item is a pcall: whatever the server refuses, an item is
-- applied or refused, and a repetition of the batch changes nothing.

-- missing is an arc of the batch whose pages are not here.
local missing = ''

-- page_limit bounds the pages of the node; 0 is no bound. added is how many pages the batch
-- has added.
local page_limit, added = 0, 0

-- has_no_room tells whether the limit of pages refuses a page. One of an arc that is coming
-- may be at its source.
local function has_no_room(arc, page)
  if page_limit == 0 or pages + added < page_limit or redis.pcall('HEXISTS', P .. 'c:' .. arc, page) ~= 0 then return false end
  return redis.pcall('GETBIT', P .. 'coming', arc) == 0
end

-- is_absent tells whether the pages of an arc are missing, and notes it.
local function is_absent(arc)
  if not is_missing(arc) then return false end
  missing = arc
  return true
end

-- add adds to a page, or returns the reason for which it cannot. A page that has the count
-- that was added is a new one. In an arc that is missing every page is one, and none may
-- stay: the arc would seem to be there.
local function add(arc, page, count)
  if has_no_room(arc, page) then return PAGES_FULL end
  local r = redis.pcall('HINCRBY', P .. 'c:' .. arc, page, count)
  if type(r) == 'table' then return reason_of(r) end
  if r == tonumber(count) then
    if is_absent(arc) then
      redis.pcall('HDEL', P .. 'c:' .. arc, page)
      return MISSING
    end
    added = added + 1
  end
end

-- apply_visits adds visits: arc, page, count, ...
local function apply_visits(visits, refused, item)
  for i = 1, #visits, 3 do
    local reason = add(visits[i], visits[i + 1], visits[i + 2])
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
  return item
end

-- apply_ids and apply_more apply the other kinds of items. ids.lua and keyed.lua set them: the
-- script of a batch that has such items has these files.
local apply_ids, apply_more

-- apply_items applies all items. An empty argument is a kind without items; the last
-- ones are those of apply_more.
local function apply_items(refused, visits, events, endpoint_limit, caller, most, limit, ...)
  local item = 0
  page_limit = tonumber(limit)
  if visits ~= '' then item = apply_visits(cmsgpack.unpack(visits), refused, item) end
  if events ~= '' then item = apply_ids(cmsgpack.unpack(events), caller, most, tonumber(endpoint_limit), refused, item) end
  if apply_more then apply_more(refused, item, ...) end
  if added ~= 0 then redis.pcall('HINCRBY', STATE, 'pages', int(added)) end
end

-- apply applies a batch unless the session says that it was applied. If replicas is not 0, so
-- many have to be online, and the caller waits until they have the batch: see durable.
local function apply(epoch, session, seq, replicas, ...)
  local last, before, n = 0, '', tonumber(seq)
  local q = redis.call('HGET', SESSIONS, OF .. session)
  if q then
    local s, r = string.match(q, '^(%d+) %d+ (.*)$')
    last, before = tonumber(s), r
  end
  replicas = tonumber(replicas)
  if n <= last and replicas > 0 then redis.call('HSET', STATE, 'touched', 1) end
  if n == last then return {'DUP', before} end
  if n < last then return {'DUP', ''} end
  epoch = tonumber(epoch)
  if epoch < fence then return {'STALE'} end
  if epoch > open then return {'AHEAD'} end
  if n ~= last + 1 then return {'GAP', int(last)} end

  if replicas > 0 then
    local _, online = string.gsub(redis.call('INFO', 'replication'), 'state=online', '')
    if online < replicas then return {'REPLICAS', int(online)} end
  end

  local refused, mark = {}, seq .. ' ' .. redis.call('TIME')[1] .. ' '
  redis.call('HSET', SESSIONS, OF .. session, mark)
  apply_items(refused, ...)
  local r = table.concat(refused, ',')
  if r ~= '' then redis.call('HSET', SESSIONS, OF .. session, mark .. r) end
  return {'OK', r, denied, missing}
end
