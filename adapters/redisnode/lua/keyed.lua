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

-- apply_counts sets counts: arc, page, count, ...; an empty count deletes the page.
local function apply_counts(counts, refused, item)
  for i = 1, #counts, 3 do
    local arc, page, count, reason = counts[i], counts[i + 1], counts[i + 2], nil
    local r = redis.pcall('GETBIT', P .. 'coming', arc)
    if r ~= 0 then
      reason = MOVING
    elseif is_absent(arc) then
      reason = MISSING
    else
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
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
end

apply_more = function(refused, item, keyed, key_limit, record_limit, counts)
  if keyed ~= '' then
    item = apply_keyed(cmsgpack.unpack(keyed), tonumber(key_limit), tonumber(record_limit), refused, item)
  end
  if counts ~= '' then apply_counts(cmsgpack.unpack(counts), refused, item) end
end
