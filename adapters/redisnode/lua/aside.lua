-- rename_live gives what the node has live of an arc another name, by the table.
local function rename_live(arc, table)
  local live = 'ff:c:' .. arc
  if redis.call('EXISTS', live) == 1 then redis.call('RENAME', live, 'ff:s:' .. arc .. ':' .. table) end
end

-- set_aside gives what the node has live of arcs another name, by the table, and
-- forgets their keys. Keys that are broken hold up no change of the ring.
local function set_aside(arcs, table)
  local whole, all = pcall(days)
  for _, arc in ipairs(arcs) do
    rename_live(arc, table)
    for _, day in ipairs(whole and all or {}) do pcall(drop_keys, day, arc) end
  end
end

-- retain makes what has not left of arcs live again: it was going by a table.
local function retain(arcs, going, table)
  local gone = {}
  for _, arc in ipairs(arcs) do
    local stage, residue = redis.pcall('HGET', 'ff:st', arc), 'ff:x:' .. arc .. ':' .. going
    if stage == 'c' then
      rename_live(arc, table) -- it came since the claim
      if redis.call('EXISTS', residue) == 1 then redis.call('RENAME', residue, 'ff:c:' .. arc) end
    elseif type(stage) == 'string' then
      gone[#gone + 1] = arc
    end
  end
  set_aside(gone, table)
end
