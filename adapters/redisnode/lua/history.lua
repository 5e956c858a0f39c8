-- What a batch of visits does not need of histories (units.lua).
local DAYS, RESETS = 2 * HOURS, 3 * HOURS
local SECONDS = {[0] = 900, 3600, 86400, 900}

-- floor_of is before when no page has buckets, in seconds, 0 until a page is restored.
local function floor_of(kept) return tonumber(string.match(kept, ' %d+ (%d+)$') or '0') end

-- begins lets the history begin at a time, with a floor.
local function begins(since, floor)
  history = string.match(history, '^%S+ ') .. int(since) .. (floor > 0 and ' ' .. int(floor) or '')
  redis.call('HSET', STATE, 'history', history)
end

local function start_of(unit) return unit % HOURS * SECONDS[math.floor(unit / HOURS)] end

local function end_of(unit)
  if tonumber(unit) >= RESETS then return start_of(unit) end
  return start_of(unit) + SECONDS[math.floor(unit / HOURS)]
end

local function bucket_of(unit, arc) return P .. 'h:' .. unit .. ':' .. arc end

-- units_of iterates over the units of a list.
local function units_of(list) return string.gmatch(list, ',(%d+)') end

-- without is a list without a unit.
local function without(list, unit) return (string.gsub(list, ',' .. unit .. ',', ',', 1)) end

-- entry_head begins an entry of a packed history that has so many digits.
local function entry_head(unit, digits)
  return string.char(math.floor(unit / 65536), math.floor(unit / 256) % 256, unit % 256, digits)
end

-- entry is an entry of a packed history.
local function entry(unit, digits) return entry_head(unit, #digits) .. digits end

-- reset_at is the entry of a page whose history begins in the small bucket of a time.
local function reset_at(seconds) return entry(RESETS + math.floor(start_of(unit_at(seconds)) / 900), '') end

-- forget_arc deletes the histories of an arc, and returns the number of keys. Those of a
-- partition keep their list.
local function forget_arc(arc)
  local list, n = list_of(arc), 1
  if type(list) ~= 'string' then return 0 end
  for unit in units_of(list) do
    redis.call('UNLINK', bucket_of(unit, arc))
    n = n + 1
  end
  redis.call('UNLINK', packed_of(arc))
  if is_partition then redis.call('HSET', packed_of(arc), HEADER, '0,') end
  return n
end

-- values_of answers the values of fields of a hash, in their order, or an error. It reads a small hash as a
-- whole: to find a field there takes as long.
local function values_of(key, fields)
  local n = redis.pcall('HLEN', key)
  if type(n) == 'table' then return n end
  if n > 2 * #fields then return redis.call('HMGET', key, unpack(fields)) end
  local all, by, values = redis.call('HGETALL', key), {}, {}
  for i = 1, #all, 2 do by[all[i]] = all[i + 1] end
  for i, field in ipairs(fields) do values[i] = by[field] or false end
  return values
end

-- histories answers the histories of pages of an arc, in their order, and the numbers of those of which a
-- part can't be read; nothing where a part is not here. The last answer is the number of units that it has read.
local function histories(arc, pages)
  local all, broken = values_of(packed_of(arc), {HEADER, unpack(pages)}), {}
  local function break_all()
    for i in ipairs(pages) do broken[i] = true end
  end
  if all.err then
    break_all()
    return {}, broken, 0
  end
  local list, opened, units = table.remove(all, 1), {}, 0
  for i in ipairs(pages) do opened[i] = {all[i] or ''} end
  if not list and is_partition then return nil end
  for unit in units_of(list or '') do
    local visits, found = values_of(bucket_of(unit, arc), pages), false
    for i, n in ipairs(visits) do
      found = found or n
      local digits = n and string.match(n, '^[1-9]%d*$')
      if digits then table.insert(opened[i], entry(unit, digits)) end
      if n and not digits then broken[i] = true end
    end
    if not found and is_gone('h:' .. unit .. ':' .. arc) then return nil end
    if visits.err then break_all() end
    units = units + 1
  end
  for i, entries in ipairs(opened) do all[i] = table.concat(entries) end
  return all, broken, units
end

-- UNREADABLE stands for a history that can't be read. It is an entry without a number, so that it stays one
-- when others are appended.
local UNREADABLE = entry(HOURS, '?')

-- page_histories answers the histories of the pages of an arc, of page, count, ..., nothing where a part of them is
-- not here, and how many fields it has read for each.
local function page_histories(arc, found)
  local pages = {}
  for i = 1, #found, 2 do
    if found[i] ~= HEADER then pages[#pages + 1] = found[i] end
  end
  if not history or #pages == 0 then return {}, 1 end
  local all, broken, units = histories(arc, pages)
  if not all then return nil end
  for i in pairs(broken) do all[i] = UNREADABLE end
  return all, 2 + units
end
