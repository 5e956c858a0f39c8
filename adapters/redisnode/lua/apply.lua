-- ARGV: node, epoch, session, seq, visits, arrivals, endpoint limit, and, where
-- there are some, what is keyed, the limit of keys (once.lua), and settings (set.lua).
-- visits: key of the arc, page, count, ...; arrivals: set, id, endpoint,
-- epoch of the table, ...; both as MessagePack arrays of strings.
local epoch, seq = tonumber(ARGV[2]), tonumber(ARGV[4])
local last, before = 0, ''
local q = redis.call('HGET', 'ff:Q', ARGV[3])
if q then
  local s, r = string.match(q, '^(%d+) %d+ (.*)$')
  last, before = tonumber(s), r
end
if seq == last then return {'DUP', before} end
if seq < last then return {'DUP', ''} end
if epoch < fence then return {'STALE'} end
if epoch > open then return {'AHEAD'} end
if seq ~= last + 1 then return {'GAP', int(last)} end

local refused = {}
local pcall = redis.pcall

local items = 0
if ARGV[5] ~= '' then
  local v = cmsgpack.unpack(ARGV[5])
  for i = 1, #v, 3 do
    local r = pcall('HINCRBY', v[i], v[i + 1], v[i + 2])
    if type(r) == 'table' then refused[#refused + 1] = items .. why(r) end
    items = items + 1
  end
end

if ARGV[6] ~= '' then
  local w = current()
  local valid
  for from, table in string.gmatch(T[6], '(%S+) (%d+);') do
    if w >= tonumber(from) then valid = table break end
  end
  local name = int(w)
  local ids, eps, size = 'ff:ids:' .. name .. ':', 'ff:eps:' .. name, 'ff:n:' .. name
  local limit = tonumber(ARGV[7])
  -- What is written behind the ids is touched first: an error there would
  -- leave a batch that is applied and not marked, and would be doubled.
  local has = pcall('INCRBY', size, 0)
  local broken = type(has) == 'table' or has > 2^52 or type(pcall('ZCARD', 'ff:pend')) == 'table'
  local known, fresh, taken = {}, 0, false

  -- endpoint is the reason for which an endpoint can't be kept.
  local function endpoint(e)
    if known[e] then return nil end
    local is = pcall('SISMEMBER', eps, e)
    if type(is) == 'table' then return CORRUPT end
    if is == 0 and redis.call('SCARD', eps) >= limit then return LIMIT end
  end

  local a = cmsgpack.unpack(ARGV[6])
  for i = 1, #a, 4 do
    local e = a[i + 2]
    local reason = broken and CORRUPT or a[i + 3] ~= valid and TABLE or e ~= '' and endpoint(e) or nil
    if not reason then
      local r = pcall('SADD', ids .. a[i], a[i + 1])
      if type(r) == 'table' then
        reason = CORRUPT
      else
        fresh, taken = fresh + r, true
        if e ~= '' and not known[e] then
          redis.call('SADD', eps, e)
          known[e] = true
        end
      end
    end
    if reason then refused[#refused + 1] = items .. reason end
    items = items + 1
  end
  if fresh > 0 then redis.call('INCRBY', size, fresh) end
  if taken then redis.call('ZADD', 'ff:pend', name, name) end
end

if ARGV[8] then
  if ARGV[8] ~= '' then items = once(refused, items) end
  if ARGV[10] ~= '' then set(refused, items) end
end

local r = table.concat(refused, ',')
redis.call('HSET', 'ff:Q', ARGV[3], ARGV[4] .. ' ' .. redis.call('TIME')[1] .. ' ' .. r)
return {'OK', r}
