-- The visits of a batch. Items are numbered from 0 over all four kinds; a refused
-- one is appended to refused as "item:reason". The batch is recorded before its first
-- item, and every command for an item is a pcall: whatever the server refuses, an item is
-- applied or refused, and a repetition of the batch changes nothing.

local pcall, counts = redis.pcall, P .. 'c:'

-- missing is an arc of the batch whose pages are not here.
local missing = ''

-- page_limit bounds the pages of the node; 0 is no bound. added is how many pages the batch
-- has added.
local page_limit, added = 0, 0

-- has_no_room tells whether the limit of pages refuses a page. One of an arc that is coming
-- may be at its source.
local function has_no_room(arc, page)
  if page_limit == 0 or pages + added < page_limit or pcall('HEXISTS', counts .. arc, page) ~= 0 then return false end
  return pcall('GETBIT', P .. 'coming', arc) == 0
end

-- is_absent tells whether the pages of an arc are missing, and notes it.
local function is_absent(arc)
  if not is_missing(arc) then return false end
  missing = arc
  return true
end

-- unit is the small bucket in which the visits of the batch are placed, and buckets begins its
-- keys; nil where they are not.
local unit, buckets

-- choose_unit and place exist where the node keeps a history: a script pays for each function that
-- it defines.
local choose_unit, place
if history then
  -- list_bucket lists the unit for an arc whose first page was just placed. It returns MISSING
  -- where it was listed: its other pages are not here. A bucket that can't be listed goes.
  local function list_bucket(arc, page, count)
    local list, reason = list_of(arc), nil
    if type(list) == 'string' and string.find(list, ',' .. unit .. ',', 1, true) then
      if not is_partition or pcall('HGET', buckets .. arc, page) ~= count then return nil end
      reason = MISSING
    elseif not list and is_partition then
      reason = MISSING
    elseif type(list) ~= 'table' and pcall('HSET', packed_of(arc), HEADER, (list or '0,') .. unit .. ',') == (list and 0 or 1) then
      return nil
    end
    pcall('HDEL', buckets .. arc, page)
    return reason
  end

  -- place adds to the bucket of a page. It returns MISSING where a part of the arc's history is not
  -- here. A bucket that can't be added to refuses no visit.
  place = function(arc, page, count, n)
    local key = buckets .. arc
    if pcall('HINCRBY', key, page, count) == n and pcall('HLEN', key) == 1 then
      return list_bucket(arc, page, count)
    end
  end

  -- choose_unit returns the time by which the visits are placed, '0' if they are not: no bucket
  -- is better than a wrong one. at is that of a repetition, t the server's, caller and most are
  -- milliseconds.
  choose_unit = function(at, t, caller, most)
    if at == '0' then
      if math.abs(t[1] * 1000 + math.floor(t[2] / 1000) - caller) > tonumber(most) then return '0' end
      at = t[1]
    end
    if tonumber(at) < since_of(history) then return '0' end
    unit = int(unit_at(at))
    buckets = P .. 'h:' .. unit .. ':'
    return at
  end
end

-- add adds to a page, or returns the reason for which it cannot. A page that has the count
-- that was added is a new one. In an arc that is missing every page is one, and none may
-- stay: the arc would seem to be there.
local function add(arc, page, count)
  if has_no_room(arc, page) then return PAGES_FULL end
  local r, n = pcall('HINCRBY', counts .. arc, page, count), tonumber(count)
  if type(r) == 'table' then return reason_of(r) end
  local is_new = r == n
  if is_new and is_absent(arc) then
    pcall('HDEL', counts .. arc, page)
    return MISSING
  end
  if unit and place(arc, page, count, n) then
    missing = arc
    pcall('HINCRBY', counts .. arc, page, '-' .. count)
    if is_new then pcall('HDEL', counts .. arc, page) end
    return MISSING
  end
  if is_new then added = added + 1 end
end

-- apply_ids and apply_more apply the other kinds of items. ids.lua and keyed.lua set them: the
-- script of a batch that has such items has these files.
local apply_ids, apply_more
