-- once adds what is keyed unless its key is known. ARGV[8]: arc, page, count,
-- key, print, ... as a MessagePack array; ARGV[9]: most keys.
local function once(refused, items)
  local day, limit = today(), tonumber(ARGV[9])
  local counts, kept = {}, 0
  -- What is written behind a count is touched first: an error there would
  -- leave a batch that is applied and not marked.
  local broken = type(redis.pcall('HLEN', 'ff:kn')) == 'table' or type(redis.pcall('SCARD', 'ff:ka:' .. int(day))) == 'table'
  for d = day - 1, day + 1 do
    local n = not broken and tonumber(redis.call('HGET', 'ff:kn', int(d)) or '0')
    if n == nil then broken = true end
    if n and (n > 0 or d == day) then
      counts[#counts + 1] = int(d)
      kept = kept + n
    end
  end
  day = int(day)

  -- look is what is known of a key.
  local function look(arc, key)
    for _, d in ipairs(counts) do
      local r = redis.pcall('HGET', keys_of(d, arc), key)
      if r then return r end
    end
  end

  local k = cmsgpack.unpack(ARGV[8])
  for i = 1, #k, 5 do
    local arc, page, count, key, print = k[i], k[i + 1], k[i + 2], k[i + 3], k[i + 4]
    local known, reason = not broken and look(arc, key), nil
    if broken or type(known) == 'table' then
      reason = CORRUPT
    elseif known then
      if known ~= print then reason = REUSED end
    elseif kept >= limit then
      reason = KEYS
    else
      local r = count ~= '0' and redis.pcall('HINCRBY', 'ff:c:' .. arc, page, count)
      if type(r) == 'table' then
        reason = why(r)
      else
        keep(day, arc, key, print)
        kept = kept + 1
      end
    end
    if reason then refused[#refused + 1] = items .. reason end
    items = items + 1
  end
  return items
end
