-- The reasons for which an item is refused, as they follow its number.
local OVERFLOW, CORRUPT, LIMIT, TABLE, REUSED, KEYS_FULL, MOVING = ':1', ':2', ':3', ':4', ':5', ':6', ':7'

-- reason_of is the reason for which a command failed.
local function reason_of(failed)
  return string.find(failed.err, 'overflow', 1, true) and OVERFLOW or CORRUPT
end
