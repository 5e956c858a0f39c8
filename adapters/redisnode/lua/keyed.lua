-- The items of a batch that few batches have: keyed visits and set counts.
-- key_days returns the days to look for keys on, and the number of their keys; nil
-- where one of the places of keys is broken.
local function key_days(day)
  local among, stored = {}, 0
  if type(redis.pcall('HLEN', 'ff:kn')) == 'table' or type(redis.pcall('SCARD', 'ff:ka:' .. int(day))) == 'table' then return nil end
  for d = day - 1, day + 1 do
    local n = tonumber(redis.call('HGET', 'ff:kn', int(d)) or '0')
    if not n then return nil end
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
    if not among or type(known) == 'table' then
      reason = CORRUPT
    elseif known then
      if known ~= print then reason = REUSED end
    elseif stored >= limit then
      reason = KEYS_FULL
    else
      local r = count ~= '0' and redis.pcall('HINCRBY', 'ff:c:' .. arc, page, count)
      if type(r) == 'table' then
        reason = reason_of(r)
      else
        store_key(day, arc, key, print)
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
    if r == 1 then
      reason = MOVING
    else
      if count == '' then
        r = redis.pcall('HDEL', 'ff:c:' .. arc, page)
      else
        r = redis.pcall('HSET', 'ff:c:' .. arc, page, count)
      end
      if type(r) == 'table' then reason = CORRUPT end
    end
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
end

apply_more = function(refused, item, keyed, key_limit, counts)
  if keyed ~= '' then item = apply_keyed(cmsgpack.unpack(keyed), key_limit, refused, item) end
  if counts ~= '' then apply_counts(cmsgpack.unpack(counts), refused, item) end
end
