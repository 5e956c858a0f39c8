-- The items of a batch that few batches have: keyed visits and set counts.
-- number_of is a number of a day, or nil and a reason where it is broken.
local function number_of(counter, day)
  local n = redis.pcall('HGET', counter, int(day)) or '0'
  if first_error(n) or not tonumber(n) then return nil, first_error(n) or CORRUPT end
  return tonumber(n)
end

-- key_days returns the days to look for keys on, the number of their keys, and that of
-- their requests; nil and a reason where one of the places of keys is broken. It tries the
-- commands that would take back a key, or could leave one without its number.
local function key_days(day)
  local among, records, requests = {}, 0, 0
  if is_gone('kn') or is_gone('kr') then return nil, MISSING end
  local why = first_error(redis.pcall('HDEL', P .. 'kn', 'none')) or first_error(redis.pcall('HINCRBY', P .. 'kn', int(day), 0)) or
    first_error(redis.pcall('HINCRBY', P .. 'kr', int(day), 0)) or first_error(redis.pcall('SCARD', P .. 'ka:' .. int(day)))
  if why then return nil, why end
  for d = day - 1, day + 1 do
    local n, broken = number_of(P .. 'kn', d)
    local r, broken_too = number_of(P .. 'kr', d)
    if not n or not r then return nil, broken or broken_too end
    if n > 0 and is_gone('ka:' .. int(d)) then return nil, MISSING end
    if n > 0 or d == day then
      among[#among + 1] = int(d)
      records = records + n
    end
    requests = requests + r
  end
  return among, records, requests
end

-- apply_keyed adds visits whose key is not stored: arc, page, count, key, print, ... Items
-- with the count 0 are the keys of requests, which the limits may refuse.
local function apply_keyed(keyed, limit, record_limit, refused, item)
  local day = today()
  local among, records, requests = key_days(day)
  day = int(day)
  for i = 1, #keyed, 5 do
    local arc, page, count, key, print = keyed[i], keyed[i + 1], keyed[i + 2], keyed[i + 3], keyed[i + 4]
    local known, reason = among and find_key(among, arc, key), nil
    local absent = is_absent(arc)
    if absent then
      reason = MISSING
    elseif not among then
      reason = records
    elseif type(known) == 'table' then
      reason = reason_of(known)
    elseif known then
      if known ~= print then reason = REUSED end
    elseif has_left(among, arc) then
      reason = MISSING
    elseif count == '0' and (requests >= limit or record_limit > 0 and records >= record_limit) then
      reason = KEYS_FULL
    else
      local failed = store_key(day, arc, key, print)
      reason = failed and reason_of(failed) or count ~= '0' and add(arc, page, count) or nil
      if reason then
        if redis.pcall('HDEL', keys_of(day, arc), key) == 1 then redis.pcall('HINCRBY', P .. 'kn', day, -1) end
        if redis.pcall('EXISTS', keys_of(day, arc)) == 0 then redis.pcall('SREM', P .. 'ka:' .. day, arc) end
      else
        records = records + 1
        if count == '0' then
          redis.pcall('HINCRBY', P .. 'kr', day, 1)
          requests = requests + 1
        end
      end
    end
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
  return item
end

-- open_units lists the units of an arc that end after a time in seconds. It returns MISSING where
-- a part of the arc's history is not here, and CLOCK where they are more than most.
local function open_units(arc, from, most)
  local list, units = list_of(arc), {}
  if type(list) ~= 'string' then return units, not list and is_partition and MISSING or nil end
  for listed in units_of(list) do
    if end_of(listed) > from then
      if #units >= most then return units, CLOCK end
      if is_gone('h:' .. listed .. ':' .. arc) then return units, MISSING end
      units[#units + 1] = listed
    end
  end
  return units
end

-- restart begins the history of a page again, with a packed one. It leaves some units of its arc.
local function restart(arc, page, units, packed)
  local list = list_of(arc)
  for _, open_unit in ipairs(units) do
    local key = bucket_of(open_unit, arc)
    if redis.pcall('HDEL', key, page) == 1 and redis.pcall('EXISTS', key) == 0 then list = without(list, open_unit) end
  end
  if type(list) ~= 'table' then redis.pcall('HSET', packed_of(arc), HEADER, list or '0,', page, packed) end
end

-- first_floor is the beginning of the oldest day that is kept, in seconds.
local function first_floor()
  return math.max(1, (math.floor(now() / 86400000) - string.match(history, ',1d:(%d+)d')) * 86400)
end

-- MOST_KEYS bounds the keys of histories, and of their arcs, that a batch sets counts in. The first item is
-- within it, however many units its arc has.
local MOST_KEYS = 900

-- apply_counts sets counts: arc, page, count, packed history, ...; an empty count deletes the page. One
-- with a history leaves all units. So do all if the caller's clock is too far behind: no unit is known to be an earlier one.
local function apply_counts(counts, refused, item, caller, most)
  local t, from, left, units = now(), 0, MOST_KEYS, nil
  if unit then
    from, left = start_of(unit), 2^53 -- units that began since then are few, but after a long outage
  elseif history and (t < tonumber(caller) or not skewed(caller, most)) then
    from = start_of(unit_at(t / 1000))
  end
  local seconds = unit and from or math.floor((from > 0 and t or math.min(t, caller)) / 1000)
  for i = 1, #counts, 4 do
    local arc, page, count, packed, reason = counts[i], counts[i + 1], counts[i + 2], counts[i + 3], nil
    local r = redis.pcall('GETBIT', P .. 'coming', arc)
    if r ~= 0 then
      reason = MOVING
    elseif left <= 0 then
      reason = CLOCK
    elseif is_absent(arc) then
      reason = MISSING
    elseif history then
      units, reason = open_units(arc, packed == '' and from or 0, left == MOST_KEYS and 2^53 or left)
      left = left - 2 - #units
      if reason == MISSING then missing = arc end
    elseif packed ~= '' then
      reason = NO_HISTORY
    end
    if not reason then
      local key = P .. 'c:' .. arc
      if count == '' then
        r = redis.pcall('HDEL', key, page)
        if r == 1 then added = added - 1 end
      elseif has_no_room(arc, page) then
        reason = PAGES_FULL
      else
        r = redis.pcall('HSET', key, page, count)
        if r == 1 then added = added + 1 end
      end
      if type(r) == 'table' then reason = reason_of(r) end
    end
    if reason then
      refused[#refused + 1] = item .. reason
    elseif history then
      if packed ~= '' and floor_of(history) == 0 then begins(since_of(history), first_floor()) end
      restart(arc, page, units, packed ~= '' and packed or reset_at(seconds))
    end
    item = item + 1
  end
end

apply_more = function(refused, item, caller, most, keyed, key_limit, record_limit, counts)
  if keyed ~= '' then
    item = apply_keyed(cmsgpack.unpack(keyed), tonumber(key_limit), tonumber(record_limit), refused, item)
  end
  if counts ~= '' then apply_counts(cmsgpack.unpack(counts), refused, item, caller, most) end
end
