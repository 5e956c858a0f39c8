-- The reasons for which an item is refused, as they follow its number.
local OVERFLOW, CORRUPT, LIMIT, TABLE, REUSED, KEYS, MOVING = ':1', ':2', ':3', ':4', ':5', ':6', ':7'

-- why is the reason for which a command failed.
local function why(failed)
  return string.find(failed.err, 'overflow', 1, true) and OVERFLOW or CORRUPT
end
