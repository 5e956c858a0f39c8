-- The ids of a batch.
-- id_table is the epoch of the table that routes the ids of a window.
local function id_table(w)
  for from, epoch in string.gmatch(tables, '(%S+) (%d+);') do
    if w >= tonumber(from) then return epoch end
  end
end

-- refuse_ids refuses ids whose sender's clock and the server's disagree.
local function refuse_ids(events, refused, item)
  for i = 1, #events, 4 do
    refused[#refused + 1] = item .. CLOCK
    item = item + 1
  end
  return item
end

-- add_ids adds ids to the current window: set, id, endpoint, table, ... The commands
-- that could be refused are tried before the first id is added: the number of ids must
-- not miss one.
local function add_ids(events, limit, refused, item)
  local pcall, w = redis.pcall, current_window()
  local valid, name = id_table(w), int(w)
  local ids, endpoints = P .. 'ids:' .. name .. ':', P .. 'eps:' .. name
  local has, stored, known, fresh, opened = add_to_number('n', name, 0), 0, {}, 0, false
  local broken = first_error(has) or has > 2^52 and CORRUPT or nil

  -- open_ids makes the window a waiting one before its first id.
  local function open_ids()
    if not opened and not broken then
      broken = is_gone('pend') and MISSING or first_error(pcall('ZADD', P .. 'pend', name, name))
      stored = pcall('SCARD', endpoints)
      broken, opened = broken or first_error(stored), true
      if is_partition and not broken and int(stored) ~= (redis.call('HGET', STATE, 'e:' .. name) or '0') then broken = MISSING end
    end
    return broken
  end

  -- store_endpoint stores an endpoint, or returns the reason for which it cannot.
  local function store_endpoint(endpoint)
    if known[endpoint] then return nil end
    local is = pcall('SISMEMBER', endpoints, endpoint)
    if first_error(is) then return first_error(is) end
    if is == 0 and stored >= limit then return LIMIT end
    local added = pcall('SADD', endpoints, endpoint)
    if first_error(added) then return first_error(added) end
    if is_partition and added == 1 then add_to_number('e', name, 1) end
    known[endpoint], stored = true, stored + added
  end

  -- begin_set notes that a set of a partition has its first id. If it had one before, its ids
  -- are not here: the new one is removed.
  local function begin_set(set, id)
    if not is_partition or pcall('SCARD', ids .. set) ~= 1 then return nil end
    local begun = redis.call('HGET', STATE, 'i:' .. name) or ','
    if string.find(begun, ',' .. set .. ',', 1, true) then
      pcall('SREM', ids .. set, id)
      return MISSING
    end
    redis.call('HSET', STATE, 'i:' .. name, begun .. set .. ',')
  end

  for i = 1, #events, 4 do
    local endpoint = events[i + 2]
    local reason = broken or events[i + 3] ~= valid and TABLE or open_ids() or endpoint ~= '' and store_endpoint(endpoint) or nil
    if not reason then
      local r = pcall('SADD', ids .. events[i], events[i + 1])
      reason = first_error(r) or r == 1 and begin_set(events[i], events[i + 1]) or nil
      if not reason then fresh = fresh + r end
    end
    if reason then refused[#refused + 1] = item .. reason end
    item = item + 1
  end
  if fresh > 0 then add_to_number('n', name, fresh) end
  return item
end

apply_ids = function(events, caller, most, limit, refused, item)
  if skewed(caller, most) then return refuse_ids(events, refused, item) end
  return add_ids(events, limit, refused, item)
end
