-- tables are those by which ids go, newest first: "first window epoch;" each.
-- newest is the epoch of the first of them, before that of the second.
local function newest(tables) return string.match(tables or '', '^%S+ (%d+);') end
local function before(tables) return string.match(tables or '', '^%S+ %d+;%S+ (%d+);') end
