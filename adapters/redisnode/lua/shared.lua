-- What most scripts need, and the one of visits does not: a script pays for each function that it
-- defines, in every call.

-- unpacked is a list among the arguments.
local function unpacked(list) return list ~= '' and cmsgpack.unpack(list) or {} end

-- is_of tells whether an arc has its bit.
local function is_of(arcs, arc)
  local byte = string.byte(arcs, math.floor(arc / 8) + 1) or 0
  return bit.band(byte, bit.rshift(0x80, arc % 8)) ~= 0
end

-- now is the server's clock in milliseconds.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- is_gone tells whether a key of a partition is not here that exists from the first opening of
-- a ring on: HEADER is a member of it that nothing else counts. Its other members have no
-- place meanwhile: a new key would have to be merged with the old one.
local function is_gone(key) return is_partition and open > 0 and redis.pcall('EXISTS', P .. key) == 0 end

-- gap refuses a read that expects a batch of a session which is not here.
local function gap(session, seq)
  if session == '' then return nil end
  local last = string.match(redis.call('HGET', SESSIONS, OF .. session) or '', '^%d+') or '0'
  if tonumber(last) < tonumber(seq) then return {'GAP', last} end
end
