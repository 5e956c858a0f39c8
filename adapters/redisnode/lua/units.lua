-- Histories (design: history). ff:h:{unit}:{arc} holds the visits of a unit by page, and
-- ff:hp:{arc} the packed history of each page. The empty field of ff:hp:{arc} is a list: the
-- day on which the arc was compacted last, and the units that have a key of the arc, as
-- "day,unit,unit,". In a partition a listed unit without its key is missing.
local HOURS = 2^22

-- since_of is when a history began, in seconds.
local function since_of(kept) return tonumber(string.match(kept, '^%S+ (%d+)')) end

-- unit_at is the small bucket in which a time in seconds lies.
local function unit_at(seconds)
  if string.sub(history, 1, 3) == '15m' then return math.floor(seconds / 900) end
  return HOURS + math.floor(seconds / 3600)
end

local function packed_of(arc) return P .. 'hp:' .. arc end

-- list_of is the list of an arc: the error of a broken key, or false where there is none.
local function list_of(arc) return redis.pcall('HGET', packed_of(arc), HEADER) end
