-- Moves of arcs by the newest open table. The stage of an arc at its source is in
-- ff:st: nothing, 'c' for frozen, or 'd:' and its number of pages for released. At
-- its destination ff:coming has its bit, and a set has the pages that were imported.
-- The empty member of that set, which no page is, says that all keys were imported.
local function stage_of(arc) return string.match(redis.call('HGET', P .. 'st', arc) or '', '^(%a):?(%d*)$') end
local function set_stage(arc, s) redis.call('HSET', P .. 'st', arc, s) end
local function is_coming(arc) return redis.call('GETBIT', P .. 'coming', arc) == 1 end

local function live_of(arc) return P .. 'c:' .. arc end
local function frozen_of(arc) return P .. 'x:' .. arc .. ':' .. opened end
local function excess_of(arc) return P .. 'o:' .. arc .. ':' .. opened end
local function marks_of(arc) return P .. 'in:' .. arc .. ':' .. opened end

-- marked is the number of pages of an arc that were imported.
local function marked(marks) return redis.call('SCARD', marks) - redis.call('SISMEMBER', marks, '') end

-- incoming answers a bit for each arc that is coming.
local function incoming() return {'OK', redis.call('GET', P .. 'coming')} end

-- has_keys tells whether there are keys of an arc.
local function has_keys(arc, among)
  for _, day in ipairs(among) do
    if redis.call('EXISTS', keys_of(day, arc)) == 1 then return true end
  end
  return false
end

-- claim_arc freezes an arc that has no stage, and returns its stage and pages.
local function claim_arc(arc, all_days)
  local pages = redis.pcall('HLEN', live_of(arc))
  if type(pages) == 'table' then return '', 0 end
  -- Many arcs are claimed together. So what deleted pages have left is deleted by retire_arc.
  if pages == 0 and not has_keys(arc, all_days) and redis.call('EXISTS', packed_of(arc)) == 0 then
    set_stage(arc, 'd:0')
    return 'd', 0
  end
  if pages > 0 then redis.call('RENAME', live_of(arc), frozen_of(arc)) end
  set_stage(arc, 'c')
  return 'c', pages
end

-- claim_arcs answers the stage and the number of pages of each arc. The stage is ''
-- where the pages are no hash, which is no error of the other arcs.
local function claim_arcs(arcs)
  local answer, all = {}, days()
  for _, arc in ipairs(unpacked(arcs)) do
    local stage, pages = stage_of(arc)
    if not stage then
      stage, pages = claim_arc(arc, all)
    elseif stage == 'c' then
      pages = redis.pcall('HLEN', frozen_of(arc))
      if type(pages) == 'table' then stage, pages = '', 0 end
    end
    answer[#answer + 1] = stage
    answer[#answer + 1] = int(pages)
  end
  return durable(unpack(answer))
end

-- fetch_keys returns keys of an arc, on a day from first on, and that day. The next
-- cursor is '' after the last of them. cursor is that of HSCAN on the first day.
-- The keys stay in place when an arc is frozen, since no batch of an open epoch adds
-- to them.
local function fetch_keys(arc, first, cursor, limit)
  local all = days()
  for i, day in ipairs(all) do
    if (first == '' or tonumber(day) >= tonumber(first)) and redis.call('EXISTS', keys_of(day, arc)) == 1 then
      local r = redis.call('HSCAN', keys_of(day, arc), day == first and cursor or '0', 'COUNT', limit)
      local following = ''
      if r[1] ~= '0' then
        following = day .. ' ' .. r[1]
      elseif all[i + 1] then
        following = all[i + 1] .. ' 0'
      end
      return following, day, r[2]
    end
  end
  return '', '0', {}
end

-- fetch_histories returns the histories of page, count, ..., when they began, and their floor.
local function fetch_histories(arc, found)
  if not history or #found == 0 then return {}, '0', '0' end
  return (page_histories(arc, found)), int(since_of(history)), int(floor_of(history))
end

-- fetch answers for a frozen arc the next cursor, a day, {key, print, ...} of that
-- day, '1' if these are the last keys, {page, count, ...}, the history of each page, when
-- histories began, and their floor. A cursor is "k day cursor" among keys, which come first, and "p cursor" among
-- pages.
local function fetch(arc, at, limit)
  if stage_of(arc) ~= 'c' then return {'UNFINISHED'} end
  local day, keys, last = '0', {}, '0'
  local cursor = string.match(at, '^p (%d+)$')
  if not cursor then
    local following, first
    first, cursor = string.match(at, '^k (%d+) (%d+)$')
    following, day, keys = fetch_keys(arc, first or '', cursor, limit)
    if following ~= '' then return {'OK', 'k ' .. following, day, keys, '0', {}} end
    if first or #keys > 0 then last = '1' end
    cursor = '0'
  end
  local r = redis.call('HSCAN', frozen_of(arc), cursor, 'COUNT', limit)
  local packed, since, floor = fetch_histories(arc, r[2])
  return {'OK', r[1] ~= '0' and 'p ' .. r[1] or '', day, keys, last, r[2], packed, since, floor}
end

-- recent_days lists the days whose keys count.
local function recent_days()
  local recent, first = {}, today() - 1
  for _, day in ipairs(days()) do
    if tonumber(day) >= first then recent[#recent + 1] = day end
  end
  return recent
end

-- find_keys answers for each key its fingerprint, or false. keys: arc, key, ...
local function find_keys(keys)
  local answer, recent = {'OK'}, recent_days()
  keys = unpacked(keys)
  for i = 1, #keys, 2 do
    local found = find_key(recent, keys[i], keys[i + 1])
    answer[#answer + 1] = type(found) == 'table' and 'corrupt' or found
  end
  return answer
end

-- import_keys stores keys that the node does not have: day, key, print, ...
local function import_keys(arc, keys)
  local recent = recent_days()
  for i = 1, #keys, 3 do
    local known = false
    for _, day in ipairs(recent) do
      known = known or redis.call('HEXISTS', keys_of(day, arc), keys[i + 1]) == 1
    end
    local failed = not known and store_key(keys[i], arc, keys[i + 1], keys[i + 2])
    if failed then error(failed.err) end
  end
end

-- saturate adds a count to a page whose sum does not fit, and returns the excess.
-- Redis does the arithmetic, because numbers of Lua are exact to 2^53 only.
local function saturate(arc, page, count)
  local most, live, excess = '9223372036854775807', live_of(arc), excess_of(arc)
  local before = redis.call('HGET', live, page)
  redis.call('HSET', excess, page, '-' .. most)
  redis.call('HINCRBY', excess, page, before)
  redis.call('HINCRBY', excess, page, count)
  redis.call('HSET', live, page, most)
  return redis.call('HGET', excess, page)
end

-- import_since lets the histories of the node begin no earlier than those of the pages that it imports. Pages of
-- a node that keeps none have visits up to now that are in no bucket.
local function import_since(pages, since, floor)
  if not history then return end
  if since == '0' and #pages > 0 then since = math.floor(now() / 1000) end
  local own, lowest = since_of(history), floor_of(history)
  since, floor = math.max(tonumber(since), own), math.max(tonumber(floor), lowest)
  if since > own or floor > lowest then begins(since, floor) end
end

-- import_history appends a history to that of a page. The arc is compacted again.
local function import_history(arc, page, more)
  local list = list_of(arc)
  if more == '' or type(list) == 'table' then return end
  redis.call('HSET', packed_of(arc), HEADER, '0' .. (string.match(list or '', ',.*$') or ','), page, (redis.call('HGET', packed_of(arc), page) or '') .. more)
end

-- import_pages adds pages that are not marked: page, count, history, ... It returns what was
-- refused, and {number, excess, ...} of the pages whose sum did not fit.
local function import_pages(arc, pages)
  local live, marks, refused, excess = live_of(arc), marks_of(arc), {}, {}
  for i = 1, #pages, 3 do
    if redis.call('SISMEMBER', marks, pages[i]) == 0 then
      local reason
      if string.sub(pages[i + 1], 1, 1) == '-' then
        reason = CORRUPT
      else
        local r = redis.pcall('HINCRBY', live, pages[i], pages[i + 1])
        if type(r) == 'table' then reason = reason_of(r) end
        if reason == OVERFLOW then
          reason = nil
          excess[#excess + 1] = int((i - 1) / 3)
          excess[#excess + 1] = saturate(arc, pages[i], pages[i + 1])
        end
      end
      -- The mark comes last: one without its count would lose the page.
      if reason then
        refused[#refused + 1] = int((i - 1) / 3) .. reason
      else
        import_history(arc, pages[i], pages[i + 2])
        redis.call('SADD', marks, pages[i])
      end
    end
  end
  return refused, excess
end

-- import answers the number of marked pages, whether all keys were imported, which
-- pages were refused, and the excess; nothing where the arc is not coming. last is '1'
-- if these are the last keys. since is when the histories of the pages began, '0' if there are none, and floor theirs.
local function import(arc, keys, last, pages, since, floor)
  if not is_coming(arc) then return {'OK'} end
  pages = unpacked(pages)
  import_since(pages, since, floor)
  if keys ~= '' then import_keys(arc, unpacked(keys)) end
  if last == '1' then redis.call('SADD', marks_of(arc), '') end
  local refused, excess = import_pages(arc, pages)
  local marks = marks_of(arc)
  return {'OK', int(marked(marks)), int(redis.call('SISMEMBER', marks, '')), table.concat(refused, ','), excess}
end

-- confirm answers for each arc the number of marked pages, -1 where the marks are
-- broken, and whether all keys were imported; nothing where the arc is not coming.
local function confirm(arcs)
  local answer = {}
  for i, arc in ipairs(unpacked(arcs)) do
    local marks = marks_of(arc)
    local pages, keys = redis.pcall('SCARD', marks), redis.pcall('SISMEMBER', marks, '')
    if type(pages) == 'table' then pages, keys = -1, 0 end
    answer[i] = is_coming(arc) and {int(pages - keys), int(keys)} or {}
  end
  return durable(unpack(answer))
end

-- retire_arc deletes the frozen pages and the keys of an arc with that many pages.
local function retire_arc(arc, pages)
  local stage, frozen = stage_of(arc), frozen_of(arc)
  if stage ~= 'd' then
    if stage ~= 'c' or redis.call('HLEN', frozen) ~= tonumber(pages) then return {'UNFINISHED'} end
    -- The pages go last: if a broken key ends the script before, their number lets
    -- it be repeated.
    for _, day in ipairs(days()) do drop_keys(day, arc) end
    forget_arc(arc)
    redis.call('UNLINK', frozen)
    set_stage(arc, 'd:' .. pages)
  end
  return durable()
end

-- close_arc ends the move of an arc that has that many marked pages.
local function close_arc(arc, pages)
  if is_coming(arc) then
    local marks = marks_of(arc)
    if marked(marks) < tonumber(pages) then return {'UNFINISHED'} end
    redis.call('SETBIT', P .. 'coming', arc, 0)
    redis.call('UNLINK', marks)
  end
  return durable()
end

-- count_of is the count of a page, false where there is none, 'corrupt' where it is
-- no count.
local function count_of(key, page)
  local r = redis.pcall('HGET', key, page)
  if type(r) == 'table' then return 'corrupt' end
  return r
end

-- add_part appends to an answer, for a page of a moving arc: the live count, the frozen
-- count, and three letters. They are the stage (h live, c frozen, d released),
-- whether the page is marked as imported, and whether the arc is closed.
local function add_part(answer, arc, page)
  local move = arc .. ':' .. newest(tables)
  local stage, n = string.sub(redis.call('HGET', P .. 'st', arc) or 'h', 1, 1), #answer
  answer[n + 1] = count_of(live_of(arc), page)
  answer[n + 2] = stage == 'c' and count_of(P .. 'x:' .. move, page)
  answer[n + 3] = stage .. redis.call('SISMEMBER', P .. 'in:' .. move, page) .. 1 - redis.call('GETBIT', P .. 'coming', arc)
end

-- read_parts answers the part of each page. pages: arc, page, ...
local function read_parts(pages)
  pages = unpacked(pages)
  local answer = {'OK'}
  for i = 1, #pages, 2 do add_part(answer, pages[i], pages[i + 1]) end
  return answer
end

-- read_history answers the part of a page, the setting of the history and when it began, '' for
-- none, the history, and 'missing' or 'corrupt' if it can't be read.
local function read_history(arc, page)
  local answer, all, broken = {'OK'}, {''}, {}
  add_part(answer, arc, page)
  if history then all, broken = histories(arc, {page}) end
  local is_absent = not all or not answer[2] and is_missing(arc)
  answer[5], answer[6] = history or '', all and all[1] or ''
  answer[7] = is_absent and 'missing' or broken[1] and 'corrupt' or ''
  return answer
end
