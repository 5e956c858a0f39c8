-- set_aside gives what the node has live of arcs another name, by the table, and
-- forgets their keys. Keys that are broken hold up no change of the ring.
local function set_aside(arcs, table)
  local whole, all = pcall(days)
  for _, arc in ipairs(arcs) do
    local live = 'ff:c:' .. arc
    if redis.call('EXISTS', live) == 1 then redis.call('RENAME', live, 'ff:s:' .. arc .. ':' .. table) end
    for _, day in ipairs(whole and all or {}) do pcall(drop_keys, day, arc) end
  end
end
