-- The reasons for which an item is refused, as they follow its number.
local OVERFLOW, CORRUPT, LIMIT, TABLE, REUSED, KEYS_FULL, MOVING, CLOCK = ':1', ':2', ':3', ':4', ':5', ':6', ':7', ':8'
local DENIED, PAGES_FULL, MISSING, NO_HISTORY = ':9', ':10', ':12', ':13'

-- denied is what the server said when it denied a command.
local denied = ''

-- reason_of is the reason for which a command failed.
local function reason_of(failed)
  if string.find(failed.err, 'overflow', 1, true) then return OVERFLOW end
  if string.find(failed.err, 'WRONGTYPE', 1, true) or string.find(failed.err, 'integer', 1, true) then return CORRUPT end
  denied = failed.err
  return DENIED
end

-- first_error returns the reason for which a command failed, or nil.
local function first_error(answer) return type(answer) == 'table' and answer.err and reason_of(answer) or nil end
