-- Layouts of counts over time, for BenchmarkHistoryLayout. A line that calls one
-- function follows. apply does what the script of a batch does.
local P = 'ff:'
local function int(n) return string.format('%d', n) end
local function name_of(page, len) return string.format('/%0' .. len - 1 .. 'd', page) end

-- packings append an hour and a count, as text, to a packed value.
local packings = {}
function packings.text(hour, count) return hour .. ' ' .. count .. ' ' end
function packings.msgpack(hour, count) return cmsgpack.pack(hour, #count < 16 and tonumber(count) or count) end
local function varint(n)
  if n < 128 then return string.char(n) end
  return string.char(n % 128 + 128) .. varint(math.floor(n / 128))
end
function packings.varint(hour, count) return varint(hour) .. varint(tonumber(count)) end

-- add has what one visit does in each layout.
local add = {}
function add.page(arc, page, count) return redis.pcall('HINCRBY', P .. 'c:' .. arc, page, count) end
function add.hour(arc, page, count, hour)
  local r, key = add.page(arc, page, count), P .. 'h:' .. hour .. ':' .. arc
  if redis.pcall('HINCRBY', key, page, count) == tonumber(count) and redis.pcall('HLEN', key) == 1 then
    redis.pcall('SADD', P .. 'ha:' .. hour, arc)
  end
  return r
end
function add.field(arc, page, count, hour)
  local r = add.page(arc, page, count)
  redis.pcall('HINCRBY', P .. 'b:' .. arc, page .. '\0' .. hour, count)
  return r
end
function add.key(arc, page, count, hour)
  local r = add.page(arc, page, count)
  redis.pcall('INCRBY', P .. 'k:' .. hour .. ':' .. page, count)
  return r
end
function add.value(arc, page, count, hour)
  local v, by = redis.pcall('HGET', P .. 'p:' .. arc, page), tonumber(count)
  local total, last, bucket = struct.unpack('<i8I4I8', v)
  local closed = string.sub(v, 21)
  if last ~= tonumber(hour) then
    closed, last, bucket = closed .. packings.msgpack(1, int(bucket)), tonumber(hour), 0
  end
  return redis.pcall('HSET', P .. 'p:' .. arc, page, struct.pack('<i8I4I8', total + by, last, bucket + by) .. closed)
end

local function apply(layout, session, seq, hour, visits)
  redis.call('HMGET', KEYS[1], 'node', 'fence', 'open', 'length', 'sealed', 'tables', 'marks', 'deployment', 'format', 'pages')
  string.match(redis.call('HGET', P .. 'Q', session) or '', '^(%d+) %d+ (.*)$')
  redis.call('HSET', P .. 'Q', session, seq .. ' ' .. redis.call('TIME')[1] .. ' ')
  local one, all, refused = add[layout], cmsgpack.unpack(visits), {}
  for i = 1, #all, 3 do
    local r = one(all[i], all[i + 1], all[i + 2], hour)
    if type(r) == 'table' then refused[#refused + 1] = r.err end
  end
  return {'OK', table.concat(refused, ',')}
end

-- packed_key is the hash of packed values of an arc: 'H' for all hours, or a number for
-- periods of so many hours.
local function packed_key(kind, hour, arc)
  return P .. 'H:' .. (tonumber(kind) and int(math.floor(hour / kind)) .. ':' or '') .. arc
end

-- fill stores pages of an arc that were visited in each of some hours. Their counts are
-- most at most.
local function fill(kind, arc, page, to, len, first, hours, most, packing)
  local pack, per = packings[packing], tonumber(kind) or tonumber(hours)
  for i = page, to do
    local page, v = name_of(i, len), ''
    if kind == 'c' then redis.call('HSET', P .. 'c:' .. arc, page, i % 1000 + 1000) end
    if kind == 'p' then redis.call('HSET', P .. 'p:' .. arc, page, struct.pack('<i8I4I8', i % 1000 + 1000, first, 1)) end
    for hour = first, first + hours - 1 do
      local count = int(math.max(1, math.floor(most ^ ((i * 31 + hour * 17) % 101 / 100))))
      if most == '100000' then count = int(100000 + (i * 31 + hour * 17) * 7919 % 900000) end
      if kind == 'h' then redis.call('HSET', P .. 'h:' .. int(hour) .. ':' .. arc, page, count)
      elseif kind == 'b' then redis.call('HSET', P .. 'b:' .. arc, page .. '\0' .. int(hour), count)
      elseif kind == 'k' then redis.call('SET', P .. 'k:' .. int(hour) .. ':' .. page, count)
      elseif kind == 'H' or tonumber(kind) then
        v = v .. pack(kind == 'H' and 1 or hour % per, count)
        if (hour - first + 1) % per == 0 then
          redis.call('HSET', packed_key(kind, hour, arc), page, v)
          v = ''
        end
      end
    end
  end
end

-- fold moves some hours of an arc, all of one period, to the packed values of its pages.
local function fold(kind, packing, arc, first, hours)
  local pack, into, new = packings[packing], packed_key(kind, first, arc), {}
  for hour = first, first + hours - 1 do
    local key = P .. 'h:' .. int(hour) .. ':' .. arc
    local q = redis.call('HGETALL', key)
    for i = 1, #q, 2 do
      local page = q[i]
      new[page] = (new[page] or redis.call('HGET', into, page) or '') .. pack(kind == 'H' and 1 or hour % kind, q[i + 1])
    end
    redis.call('UNLINK', key)
    redis.call('SREM', P .. 'ha:' .. int(hour), arc)
  end
  for page, v in pairs(new) do redis.call('HSET', into, page, v) end
end

-- history reads hours of a page, of which the last are open.
local function history(kind, arc, page, first, hours, open)
  local answer = {}
  for hour = first + hours - open, first + hours - 1 do
    answer[#answer + 1] = redis.call('HGET', P .. 'h:' .. int(hour) .. ':' .. arc, page) or ''
  end
  if kind == 'h' then return answer end
  for hour = first, first + hours - open - 1, tonumber(kind) or hours do
    answer[#answer + 1] = redis.call('HGET', packed_key(kind, hour, arc), page) or ''
  end
  return answer
end
