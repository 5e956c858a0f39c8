-- The items of a batch that few batches have: keyed visits and set counts.
-- key_days returns the days to look for keys on, and the number of their keys; nil and
-- a reason where one of the places of keys is broken. It tries the commands that would
-- take back a key, or could leave one without its number.
local function key_days(day)
  local among, stored = {}, 0
  local why = first_error(redis.pcall('HDEL', 'ff:kn', '')) or first_error(redis.pcall('HINCRBY', 'ff:kn', int(day), 0)) or
    first_error(redis.pcall('SCARD', 'ff:ka:' .. int(day)))
  if why then return nil, why end
  for d = day - 1, day + 1 do
    local n = redis.pcall('HGET', 'ff:kn', int(d)) or '0'
    if first_error(n) or not tonumber(n) then return nil, first_error(n) or CORRUPT end
    n = tonumber(n)
    if n > 0 or d == day then
      among[#among + 1] = int(d)
      stored = stored + n
    end
  end
  return among, stored
end

-- apply_keyed adds visits whose key is not stored: arc, page, count, key, print, ...
local function apply_keyed(keyed, limit, refused, item)
  local day = today()
  local among, stored = key_days(day)
  day = int(day)
  for i = 1, #keyed, 5 do
    local arc, page, count, key, print = keyed[i], keyed[i + 1], keyed[i + 2], keyed[i + 3], keyed[i + 4]
    local known, reason = among and find_key(among, arc, key), nil
    if not among then
      reason = stored
    elseif type(known) == 'table' then
      reason = reason_of(known)
    elseif known then
      if known ~= print then reason = REUSED end
    elseif stored >= limit then
      reason = KEYS_FULL
    else
      local r = store_key(day, arc, key, print) or count ~= '0' and redis.pcall('HINCRBY', 'ff:c:' .. arc, page, count)
      if type(r) == 'table' then
        reason = reason_of(r)
        if redis.pcall('HDEL', keys_of(day, arc), key) == 1 then redis.pcall('HINCRBY', 'ff:kn', day, -1) end
      else
        stored = stored + 1
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
    local r = redis.pcall('GETBIT', 'ff:coming', arc)
    if r ~= 0 then
      reason = MOVING
    else
      if count == '' then
        r = redis.pcall('HDEL', 'ff:c:' .. arc, page)
      else
        r = redis.pcall('HSET', 'ff:c:' .. arc, page, count)
      end
      if type(r) == 'table' then reason = reason_of(r) end
    end
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
end

apply_more = function(refused, item, keyed, key_limit, counts)
  if keyed ~= '' then item = apply_keyed(cmsgpack.unpack(keyed), key_limit, refused, item) end
  if counts ~= '' then apply_counts(cmsgpack.unpack(counts), refused, item) end
end
