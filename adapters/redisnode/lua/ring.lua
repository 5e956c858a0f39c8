-- The ring as the node has it, in ff:T: fence, change and fenced (a document) of the
-- last Fence, approved of the last Accept, open, openchange, opened and tables of the
-- last Open.

-- fence_ring answers the current window, or the latest waiting one if that is later. It initialises an empty store. window is
-- the length in milliseconds, parent the epoch that the ring follows. admits is '1'
-- if the ring admits empty nodes, joining if the node joins by its newest table.
-- incoming has a bit for each arc that comes; expected lists those that may come now,
-- whose moves end or go on.
local function fence_ring(deployment, epoch, change, document, window, list, parent, admits, joining, incoming, expected)
  local t = redis.call('HMGET', STATE, 'node', 'deployment', 'fence', 'change', 'length', 'open', 'tables', 'openchange')
  local fenced, last = tonumber(t[3] or '0'), tonumber(t[6] or '0')
  if ARGV[2] ~= '' and ARGV[2] ~= deployment then return {'OTHER', deployment, ARGV[2]} end
  if t[1] then
    if t[2] ~= deployment then return {'OTHER', t[2], deployment} end
    if tonumber(epoch) < fenced then return {'STALE'} end
    if tonumber(epoch) == fenced and t[4] ~= change then return {'CONFLICT'} end
  end
  if tonumber(epoch) > fenced then
    local has = newest(t[7])
    if last == 0 then
      if admits ~= '1' and not (t[1] and joining == '1') then return {'NOINIT'} end
    elseif last > tonumber(parent) and t[8] ~= change then
      return {'CONFLICT'}
    elseif has ~= newest(list) then
      if has ~= previous(list) then return {'AHEAD'} end
      local left = redis.call('BITCOUNT', P .. 'coming')
      for _, arc in ipairs(unpacked(expected)) do
        if left == 0 then break end
        left = left - redis.call('GETBIT', P .. 'coming', arc)
      end
      if left > 0 then return {'MOVING'} end
    end
    redis.call('HSET', STATE, 'node', ARGV[1], 'deployment', deployment, 'fence', epoch, 'change', change,
      'format', T[6] or '1', 'fenced', document, 'length', window, 'nexttables', list, 'nextcoming', incoming)
  end
  length = tonumber(window)
  local waiting = redis.pcall('ZRANGE', P .. 'pend', -1, -1)
  return durable(int(math.max(current_window(), tonumber(waiting[1] or '') or 0)))
end

-- check_fenced refuses any change but the one that the node is fenced for. ring
-- gets what the node knows of it.
local ring
local function check_fenced(deployment, epoch, change)
  local t = redis.call('HMGET', STATE, 'node', 'deployment', 'fence', 'change', 'open', 'fenced', 'tables', 'nexttables', 'nextcoming')
  if not t[1] then return {'CONFLICT'} end
  if t[2] ~= deployment then return {'OTHER', t[2], deployment} end
  if tonumber(epoch) < tonumber(t[3]) then return {'STALE'} end
  if epoch ~= t[3] or t[4] ~= change then return {'CONFLICT'} end
  ring = {epoch = t[3], change = t[4], open = t[5] == t[3], document = t[6], tables = t[7], next = t[8], incoming = t[9]}
end

-- accept_ring stores the document as accepted. Later fences keep it; opening
-- deletes it.
local function accept_ring()
  if not ring.open then redis.call('HSET', STATE, 'approved', ring.document) end
  return durable()
end

-- quarantine renames the live pages of an arc, by the table that gave it to the node.
local function quarantine(arc, by)
  local live = P .. 'c:' .. arc
  if redis.call('EXISTS', live) == 1 then redis.call('RENAME', live, P .. 's:' .. arc .. ':' .. by) end
end

-- quarantine_arcs also deletes the keys and the histories of the arcs. Broken ones do not
-- stop a change of the ring.
local function quarantine_arcs(arcs, by)
  local whole, all = pcall(days)
  for _, arc in ipairs(arcs) do
    quarantine(arc, by)
    for _, day in ipairs(whole and all or {}) do pcall(drop_keys, day, arc) end
    pcall(forget_arc, arc)
  end
end

-- reclaim_arcs makes the frozen pages of arcs live again that were leaving by a
-- table. What came since the claim is quarantined, and so are released arcs.
local function reclaim_arcs(arcs, leaving, by)
  local released = {}
  for _, arc in ipairs(arcs) do
    local stage, frozen = redis.pcall('HGET', P .. 'st', arc), P .. 'x:' .. arc .. ':' .. leaving
    if stage == 'c' then
      quarantine(arc, by)
      if redis.call('EXISTS', frozen) == 1 then redis.call('RENAME', frozen, P .. 'c:' .. arc) end
    elseif type(stage) == 'string' then
      released[#released + 1] = arc
    end
  end
  quarantine_arcs(released, by)
end

-- check_rights is an error unless the user may run all commands that change moves: a
-- right that is taken away halfway would take their stages with it.
local function check_rights()
  for _, name in ipairs({'RENAME', 'UNLINK', 'SET', 'HSET', 'HDEL', 'SETBIT', 'ZADD'}) do
    if not may_run(name) then error({err = 'NOPERM the user may not run ' .. name}) end
  end
end

-- continue_moves takes the moves of arcs from one table to another, as far as they have
-- come. It returns their stages, and which of them are not incoming.
local function continue_moves(arcs, last, by)
  local stages, arrived = {}, {}
  for _, arc in ipairs(arcs) do
    local frozen, marks = P .. 'x:' .. arc .. ':', P .. 'in:' .. arc .. ':'
    stages[arc] = redis.pcall('HGET', P .. 'st', arc)
    arrived[arc] = redis.call('GETBIT', P .. 'coming', arc) == 0
    if stages[arc] == 'c' and redis.call('EXISTS', frozen .. last) == 1 then
      redis.call('RENAME', frozen .. last, frozen .. by)
    elseif not arrived[arc] and redis.call('EXISTS', marks .. last) == 1 then
      redis.call('RENAME', marks .. last, marks .. by)
    end
  end
  return stages, arrived
end

-- start_moves begins the moves to a table, and goes on with some of the last one.
local function start_moves(continued, last, by)
  local stages, arrived = continue_moves(continued, last, by)
  redis.call('UNLINK', P .. 'st', P .. 'coming')
  if ring.incoming and ring.incoming ~= '' then redis.call('SET', P .. 'coming', ring.incoming) end
  for _, arc in ipairs(continued) do
    if type(stages[arc]) == 'string' then
      redis.call('HSET', P .. 'st', arc, stages[arc])
    elseif arrived[arc] and redis.call('GETBIT', P .. 'coming', arc) == 1 then
      redis.call('SETBIT', P .. 'coming', arc, 0)
    end
  end
end

-- await_lost makes at most some windows before one waiting, after the last that was
-- closed. A broken list of waiting windows does not stop a change of the ring.
local function await_lost(before, most)
  local waiting = redis.pcall('ZRANGE', P .. 'pend', 0, 0)
  local first = math.max(tonumber(waiting[1] or before), before - most)
  for w = before - 1, before - most, -1 do
    if open_window(w) ~= w and not redis.pcall('ZSCORE', P .. 'pend', int(w)) then
      first = w + 1
      break
    end
  end
  for w = first, before - 1 do redis.pcall('ZADD', P .. 'pend', int(w), int(w)) end
end

-- make_arcs makes the hashes of some arcs of a partition that has not opened a ring.
local function make_arcs(arcs)
  if redis.call('HEXISTS', STATE, 'arcs') == 0 then
    for _, arc in ipairs(unpacked(arcs)) do redis.call('HSETNX', P .. 'c:' .. arc, HEADER, 0) end
  end
  return durable()
end

-- open_ring opens the ring. If it has another table, the moves of that table begin,
-- and those of the last one are forgotten but for those of continued. own has a bit for
-- each arc of a partition, which make_arcs has made.
local function open_ring(added, reclaimed, continued, lost_until, most, own)
  if not ring.open then
    local last, by = newest(ring.tables), newest(ring.next)
    if last ~= by then
      check_rights()
      quarantine_arcs(unpacked(added), by)
      reclaim_arcs(unpacked(reclaimed), last, by)
      start_moves(unpacked(continued), last, by)
      if last and lost_until ~= '0' then await_lost(tonumber(lost_until), tonumber(most)) end
    end
    if is_partition and redis.call('HSETNX', STATE, 'arcs', own) == 1 then
      for _, key in ipairs({'kn', 'kr'}) do redis.call('HSET', P .. key, HEADER, 0) end
      for _, key in ipairs({'pend', 'wins'}) do redis.call('ZADD', P .. key, '-inf', HEADER) end
    end
    redis.call('HSET', STATE, 'open', ring.epoch, 'openchange', ring.change, 'opened', ring.document, 'tables', ring.next)
    redis.call('HDEL', STATE, 'nextcoming', 'approved')
  end
  return durable()
end

-- ring_state answers the documents of the opened, the fenced and the accepted ring,
-- and the number of arcs that are coming.
local function ring_state()
  local docs = redis.call('HMGET', STATE, 'opened', 'fenced', 'approved')
  return {'OK', docs[1], docs[2], docs[3], int(redis.call('BITCOUNT', P .. 'coming'))}
end

-- keys_that_count answers the number of keys of a counter that count, -1 where it is
-- broken, and the oldest day that has some, 0 without.
local function keys_that_count(counter)
  local day, number, oldest = today(), 0, nil
  local counts = redis.pcall('HMGET', counter, int(day - 1), int(day), int(day + 1))
  for i = 1, 3 do
    local n = not counts.err and tonumber(counts[i] or '0')
    number = n and number >= 0 and number + math.max(n, 0) or -1
    if n and n > 0 then oldest = oldest or day + i - 2 end
  end
  return number, oldest or 0
end

-- number_of_letters is -1 if it is not known: earlier versions need no right to run ZCARD.
local function number_of_letters()
  local n = may_run('ZCARD') and redis.pcall('ZCARD', P .. 'dl')
  if type(n) ~= 'number' then return -1 end
  return n > 0 and is_partition and n - 1 or n
end

-- ring_summary answers the fence, the open epoch, the number of arcs that are coming, that
-- of the requests with a key and of all keys that count, the oldest day of these, the
-- number of pages, and those of the dead letters that are kept and that were dropped.
local function ring_summary()
  local requests, records, oldest = keys_that_count(P .. 'kr'), keys_that_count(P .. 'kn')
  return {'OK', int(fence), int(open), int(redis.call('BITCOUNT', P .. 'coming')), int(requests), int(records), int(oldest), int(pages),
    int(number_of_letters()), redis.call('HGET', STATE, 'dldropped') or '0'}
end
