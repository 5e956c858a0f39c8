-- ARGV: node, table, tables whose moves have ended, the first of them whose
-- residues are copies, bits of the arcs to keep, cursor, number of keys to look
-- at. Answers the next cursor, how many keys are forgotten, and kind,
-- arc, table (0: live), pages (-1: no hash) of each that was left alone.
local ended, since = tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, forgotten = {'OK', '', ''}, 0

local function kept(arc)
  local byte = string.byte(ARGV[5], math.floor(arc / 8) + 1) or 0
  return bit.band(byte, bit.rshift(0x80, arc % 8)) ~= 0
end
local function size(key)
  local n = redis.pcall('HLEN', key)
  return type(n) == 'table' and -1 or n
end
local function forget(key)
  forgotten = forgotten + redis.call('UNLINK', key)
end
local function stray(kind, arc, table, key)
  for _, v in ipairs({kind, arc, table, int(size(key))}) do answer[#answer + 1] = v end
end

local function residue(key, arc, table)
  local claimed = table == opened and redis.call('HGET', 'ff:st', arc) == 'c'
  if table <= ended and table >= since then
    if claimed then redis.call('HSET', 'ff:st', arc, 'd:' .. int(math.max(size(key), 0))) end
    forget(key)
  elseif not (claimed and table > ended) then
    stray('x', arc, int(table), key)
  end
end
local function marks(key, arc, table)
  if table < opened or table == opened and redis.call('GETBIT', 'ff:coming', arc) == 0 then forget(key) end
end

local scanned = redis.call('SCAN', ARGV[6], 'MATCH', 'ff:*', 'COUNT', ARGV[7])
for _, key in ipairs(scanned[2]) do
  local kind, first, second = string.match(key, '^ff:(%l+):(%d+):?(%d*)$')
  if kind == 'c' and second == '' and not kept(tonumber(first)) then
    stray(kind, first, '0', key)
  elseif kind == 's' and second ~= '' then
    stray(kind, first, second, key)
  elseif kind == 'x' and second ~= '' then
    residue(key, first, tonumber(second))
  elseif kind == 'in' and second ~= '' then
    marks(key, first, tonumber(second))
  elseif kind == 'k' and second ~= '' and not kept(tonumber(second)) then
    forgotten = forgotten + drop_keys(first, second)
  end
end
answer[2], answer[3] = scanned[1], int(forgotten)
return answer
