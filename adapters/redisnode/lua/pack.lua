-- How closed buckets become packed histories, and how those are compacted. Work is in
-- microseconds of a busy server, about.
local HOUR, DAY = 3600, 86400

-- WORK ends a call. It can do twice as much, and a page more.
local WORK = 300

-- UNITS is how many units are packed together. So a page with many of them is divided.
local UNITS = 32

-- writing is the work of reading and writing a packed history of some bytes: the server
-- copies it several times.
local function writing(bytes) return 5 + bytes / 300 end

-- closed_units returns units of a list that ended an hour ago and have pages, and the list
-- without those that have none.
local function closed_units(arc, list)
  local closed, units = now() / 1000 - HOUR, {}
  for unit in units_of(list) do
    local n = end_of(unit) <= closed and redis.pcall('HLEN', bucket_of(unit, arc))
    if n == 0 and not is_gone('h:' .. unit .. ':' .. arc) then
      list = without(list, unit)
    elseif type(n) == 'number' and n > 0 then
      units[#units + 1] = unit
      if #units == UNITS then break end
    end
  end
  return units, list
end

-- choose_pages returns pages of a bucket, at least one, their packed histories, and the work of
-- packing some units of them.
local function choose_pages(arc, unit, units, most)
  local pages, packed, chosen, work, cursor = {}, {}, {}, 0, '0'
  repeat
    local r = redis.call('HSCAN', bucket_of(unit, arc), cursor, 'COUNT', 32)
    cursor = r[1]
    for i = 1, #r[2], 2 do
      local page = r[2][i]
      if work >= most then break end
      if not chosen[page] then
        local value = redis.call('HGET', packed_of(arc), page) or ''
        pages[#pages + 1], packed[#pages + 1], chosen[page] = page, value, true
        work = work + units + writing(#value)
      end
    end
  until #pages > 0 or cursor == '0'
  return pages, packed, work
end

-- take_buckets deletes a unit of some pages, and adds the entries to added, by the index of the
-- page. It tells whether other pages have the unit, too.
local function take_buckets(arc, unit, pages, added)
  local key, heads = bucket_of(unit, arc), {}
  for i, digits in ipairs(redis.call('HMGET', key, unpack(pages))) do
    if digits then
      heads[#digits] = heads[#digits] or entry_head(unit, #digits)
      added[i] = (added[i] or '') .. heads[#digits] .. digits
    end
  end
  redis.call('HDEL', key, unpack(pages))
  return redis.call('EXISTS', key) == 1
end

-- pack_units moves closed units of some pages to the packed histories of an arc: a page is written
-- once for all of them. It returns the list, the work, and whether there is more of it.
local function pack_units(arc, list, most)
  local units, pages, packed, added, work = nil, {}, {}, {}, 0
  units, list = closed_units(arc, list)
  local more = #units == UNITS
  if units[1] then pages, packed, work = choose_pages(arc, units[1], #units, most) end
  for _, unit in ipairs(units) do
    if take_buckets(arc, unit, pages, added) then more = true else list = without(list, unit) end
  end
  for i, page in ipairs(pages) do
    redis.call('HSET', packed_of(arc), page, packed[i] .. added[i])
  end
  redis.call('HSET', packed_of(arc), HEADER, list)
  return list, 5 + 3 * #units + work, more
end

-- add_day adds digits to the sum of a day. What can't be added exactly becomes an entry.
local function add_day(sums, days, out, day, digits)
  local sum = sums[day]
  if not sum then
    sums[day], days[#days + 1] = digits, day
  elseif tonumber(digits) > 2^53 - tonumber(sum) then
    out[#out + 1] = entry(day, sum)
    sums[day] = digits
  else
    sums[day] = int(tonumber(sum) + tonumber(digits))
  end
end

-- limits_of returns by kind the first units that count, and the first that stay as they are.
local function limits_of(small, oldest, since, restart)
  local first, stay = {}, {}
  for kind = 0, 2 do
    local length = SECONDS[kind]
    local from = kind == 2 and math.floor(restart / length) or math.ceil(restart / length)
    first[kind] = kind * HOURS + math.max(math.ceil(oldest / length), from, math.floor(since / length))
    stay[kind] = math.max(first[kind], kind * HOURS + math.ceil(small / length))
  end
  return first, stay
end

-- compacted is counting.Packed.Compact: small and oldest are the first days that small buckets
-- and days are kept for, since is when the history begins, all in seconds. reset is the last one, and
-- restored the time with which the page was, as far as they are known. It returns the number of
-- entries, too. What is no packed history stays.
local function compacted(value, small, oldest, since, reset, restored)
  local begin = restored > 0 and math.max(restored, floor_of(history)) or since
  local first, stay = limits_of(small, oldest, begin, start_of(reset))
  local byte, quarters, hours, whole = string.byte, stay[0], stay[1], stay[2] -- local ones are faster
  local sums, days, out, kept, from, i, n, length = {}, {}, {}, {}, nil, 1, 0, #value
  if restored > 0 and math.max(restored, since) > oldest then out[1] = entry(RESETS + math.floor(restored / 900), int(restored)) end
  if reset > 0 and math.floor(start_of(reset) / DAY) * DAY >= oldest then out[#out + 1] = entry(reset, '') end
  while i <= length do
    local a, b, c, digits, digit = byte(value, i, i + 4)
    if not digits or i + 3 + digits > length then return value, n end
    local unit = a * 65536 + b * 256 + c
    if unit > reset and unit >= RESETS and digits == 0 then return compacted(value, small, oldest, since, unit, restored) end
    if unit >= RESETS and digits > 0 then
      local at = tonumber(string.match(string.sub(value, i + 4, i + 3 + digits), '^[1-9]%d*$'))
      if not at then return value, n end
      if at > restored then return compacted(value, small, oldest, since, reset, at) end
    end
    if unit < RESETS and (digits == 0 or digit < 49 or digit > 57) then return value, n end
    if unit >= hours and unit < DAYS or unit >= whole and unit < RESETS or unit >= quarters and unit < HOURS then
      from = from or i
    else
      if from then kept[#kept + 1], from = string.sub(value, from, i - 1), nil end
      local kind = math.floor(unit / HOURS)
      if kind < 3 and unit >= first[kind] then
        add_day(sums, days, out, DAYS + math.floor(unit % HOURS * SECONDS[kind] / DAY), string.sub(value, i + 4, i + 3 + digits))
      end
    end
    i, n = i + 4 + digits, n + 1
  end
  if from then kept[#kept + 1] = string.sub(value, from) end
  table.sort(days)
  for _, day in ipairs(days) do out[#out + 1] = entry(day, sums[day]) end
  return table.concat(out) .. table.concat(kept), n
end

-- compact_page compacts the packed history of a page. It returns the work, and whether the page has one still.
local function compact_page(arc, page, value, small, oldest, since)
  local left, entries = compacted(value, small, oldest, since, 0, 0)
  local work = 5 + entries / 4
  if left == '' then
    redis.call('HDEL', packed_of(arc), page)
    return work + 5, false
  end
  if left == value then return work, true end
  redis.call('HSET', packed_of(arc), page, left)
  return work + writing(#value), true
end

-- compact_pages compacts packed histories of an arc from a cursor on: that of HSCAN, and how many of
-- the pages that it gives are done. If the server orders them in another way meanwhile, a page may have
-- to wait for the next day. It returns the next cursor, '0' after the last page, and the work.
local function compact_pages(arc, cursor, most, ...)
  local at, skipped = string.match(cursor, '^(%d+)/?(%d*)$')
  local done, total = tonumber(skipped) or 0, 0
  repeat
    local r = redis.call('HSCAN', packed_of(arc), at, 'COUNT', 1)
    for i = 1 + 2 * done, #r[2], 2 do
      if total >= most + WORK then return at .. '/' .. int(done), total end
      local work, stays = 0, true
      if r[2][i] ~= HEADER then work, stays = compact_page(arc, r[2][i], r[2][i + 1], ...) end
      total = total + work
      if stays then done = done + 1 end
    end
    at, done = r[1], 0
  until at == '0' or total >= most
  return at, total
end
