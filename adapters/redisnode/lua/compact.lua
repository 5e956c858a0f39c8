-- What is done with histories beside batches: beginning, packing, expiry.

-- is_older tells whether an instance of a version without histories sent a batch within the
-- last 10 minutes: its marks have no at.
local function is_older()
  local q, seconds = redis.call('HGETALL', SESSIONS), math.floor(now() / 1000)
  for i = 1, #q, 2 do
    local at, more = string.match(q[i + 1], '^%d+ (%d+) (.?)')
    if string.sub(q[i], 1, #OF) == OF and at and more ~= 'h' and seconds - at < 600 then return true end
  end
  return false
end

-- PREPARED is the field histories of a node whose arcs are prepared for a history. Before, it says what
-- has to be done, and from which arc on: 'l' makes the lists of a partition, and is the first that it needs,
-- 'f' forgets an earlier history.
local PREPARED = '1'

-- begin_history begins the history of a node, unless its arcs have to be prepared first.
local function begin_history(wanted, since)
  if (is_partition and open == 0) or is_older() then return nil end
  if (redis.call('HGET', STATE, 'histories') or is_partition and 'l0' or PREPARED) ~= PREPARED then return {'PREPARE'} end
  history = wanted .. ' ' .. (since ~= '0' and since or int(math.floor(now() / 1000)))
  redis.call('HSET', STATE, 'format', FORMAT, 'history', history)
end

-- end_history turns the history off. What it has left is to be forgotten.
local function end_history()
  if history then redis.call('HSET', STATE, 'format', '1', 'histories', 'f0') end
  history, is_off = false, true
  redis.call('HSET', STATE, 'history', 'off')
end

-- days_of is for how many days a setting keeps history.
local function days_of(setting) return tonumber(string.match(setting, ',1d:(%d+)d')) end

-- change_history is counting.HistoryState.Changed.
local function change_history(wanted)
  local since, floor, days = since_of(history), floor_of(history), days_of(history)
  if days_of(wanted) > days then
    local oldest = (math.floor(now() / 1000 / DAY) - days) * DAY
    since, floor = math.max(since, oldest), floor > 0 and math.max(floor, oldest) or 0
  end
  history = wanted .. ' '
  begins(since, floor)
end

-- keep_history answers the setting of the history and when it began, off, or '' for no setting.
local function keep_history(wanted, since, change, caller, most)
  if wanted == 'off' then
    if change == '1' then end_history() end
  elseif history then
    if change == '1' and (days_of(wanted) <= days_of(history) or not skewed(caller, most)) then change_history(wanted) end
  elseif (change == '1' or not is_off) and not skewed(caller, most) then
    local first = begin_history(wanted, since)
    if first then return first end
  end
  return {'OK', history or is_off and 'off' or ''}
end

-- is_due tells whether a unit of a list ended a day ago: so a page is packed once a day.
local function is_due(list)
  local due = now() / 1000 - DAY
  for unit in units_of(list) do
    if end_of(unit) <= due then return true end
  end
  return false
end

-- compact_arc does a part of the work on an arc. cursor is '-' at first, 'p' while there is more to
-- pack, and then that of HSCAN.
local function compact_arc(arc, cursor, most)
  local list, work, more = list_of(arc), 2, false
  if type(list) ~= 'string' then return '-', work end
  if not history then return '-', work + 2 * forget_arc(arc) end
  local small, days = string.match(history, ':(%d+)d,1d:(%d+)d')
  local today = math.floor(now() / 1000 / DAY)
  if cursor == 'p' or cursor == '-' and is_due(list) then
    list, work, more = pack_units(arc, list, most)
    if more then return 'p', work end
    cursor = '-'
  end
  if tonumber(string.match(list, '^%d+')) == today then return '-', work end
  if work >= most then return '0', work end
  local used
  cursor, used = compact_pages(arc, cursor == '-' and '0' or cursor, most - work, (today - small) * DAY, (today - days) * DAY, since_of(history))
  if cursor ~= '0' then return cursor, work + used end
  redis.call('HSET', packed_of(arc), HEADER, int(today) .. string.match(list, ',.*$'))
  return '-', work + used
end

-- drop_arc deletes what an arc has of the time before the history.
local function drop_arc(arc, cursor, most)
  local list, work = list_of(arc), 2
  if type(list) ~= 'string' then return '-', work end
  if not history then return '-', work + 2 * forget_arc(arc) end
  local since, floor = since_of(history), floor_of(history)
  if cursor == '-' then
    -- A restored page may have buckets since the floor. What others have before since goes when it is packed.
    local gone = floor > 0 and math.min(since, floor) or since
    for unit in units_of(list) do
      if end_of(unit) <= gone and not is_gone('h:' .. unit .. ':' .. arc) then
        redis.call('UNLINK', bucket_of(unit, arc))
        list, work = without(list, unit), work + 2
      end
    end
    redis.call('HSET', packed_of(arc), HEADER, list)
    cursor = '0'
  end
  local used
  cursor, used = compact_pages(arc, cursor, most - work, 0, 0, since)
  return cursor == '0' and '-' or cursor, work + used
end

-- over_arcs does a part of the work on that many arcs, and answers the next cursor.
local function over_arcs(at, arcs, step)
  local arc, cursor = string.match(at == '' and '0 -' or at, '^(%d+) (%S+)$')
  if not arc then return {'CURSOR'} end
  for _, name in ipairs({'HSET', 'HDEL', 'UNLINK'}) do
    if not may_run(name) then error({err = 'NOPERM the user may not run ' .. name}) end
  end
  local left, used = WORK, nil
  arc, arcs = tonumber(arc), tonumber(arcs)
  while arc < arcs and left > 0 do
    cursor, used = step(int(arc), cursor, left)
    left = left - used
    if cursor == '-' then arc = arc + 1 end
  end
  return {'OK', arc < arcs and int(arc) .. ' ' .. cursor or ''}
end

-- compact does nothing if the clocks disagree.
local function compact(caller, most, at, arcs)
  if skewed(caller, most) then return {'OK', ''} end
  return over_arcs(at, arcs, compact_arc)
end

-- drop_oldest lets the history begin in the middle of what is kept: at the start of a day if that
-- leaves something out, and of a small bucket otherwise.
local function drop_oldest()
  local seconds, days = math.floor(now() / 1000), string.match(history, ',1d:(%d+)d')
  local since, floor = since_of(history), floor_of(history)
  local oldest = math.max(floor > 0 and floor or since, (math.floor(seconds / DAY) - days) * DAY)
  local middle = math.floor((oldest + seconds) / 2)
  local cut = math.floor(middle / DAY) * DAY
  if cut <= oldest then cut = start_of(unit_at(middle)) end
  if cut <= oldest then cut = end_of(unit_at(oldest)) end
  if cut <= start_of(unit_at(seconds)) then
    begins(math.max(since, cut), floor > 0 and cut or 0)
  end
end

-- make_list makes the list of an arc of a partition that has some arcs.
local function make_list(arc, own)
  if not is_of(own, arc) then return '-', 1 / 4 end
  redis.call('HSETNX', packed_of(arc), HEADER, '0,')
  return '-', 2
end

-- prepare_history does a part of what has to be done on that many arcs before a history begins, and answers
-- '' after the last part. The node knows where the next part begins: a server that takes over may lack what
-- callers have seen. Lists that were all made are not made again.
local function prepare_history(arcs)
  local what, arc = string.match(redis.call('HGET', STATE, 'histories') or 'l0', '^(%l)(%d+)$')
  if history or not what then return {'OK', ''} end
  local own = redis.call('HGET', STATE, 'arcs') or ''
  local answer = over_arcs(arc .. ' -', arcs, what == 'f' and drop_arc or function(one) return make_list(one, own) end)
  local rest = string.match(answer[2], '^%d+')
  redis.call('HSET', STATE, 'histories', rest and what .. rest or PREPARED)
  return answer
end

-- drop_history begins with a later beginning of the history. It does nothing if the clocks
-- disagree.
local function drop_history(caller, most, at, arcs)
  if skewed(caller, most) then return {'OK', ''} end
  if at == '' and history then drop_oldest() end
  return over_arcs(at, arcs, drop_arc)
end
