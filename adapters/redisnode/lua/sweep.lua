-- Leftovers of moves, found by the names of keys. kinds: c live, s quarantined,
-- o excess, x frozen, in marks, k idempotency keys, h and hp histories.

-- size is the number of pages of a hash, -1 where the key is none.
local function size(key)
  local n = redis.pcall('HLEN', key)
  return type(n) == 'table' and -1 or n
end

-- is_obsolete_copy tells whether frozen pages have reached their destination.
local function is_obsolete_copy(by, ended, since) return by <= ended and by >= since end

-- is_leftover_mark tells whether no move needs the marks of an arc.
local function is_leftover_mark(arc, by)
  local newest_table = tonumber(opened)
  return by < newest_table or by == newest_table and redis.call('GETBIT', P .. 'coming', arc) == 0
end

-- sweep scans about limit keys. The moves of tables up to ended have ended; frozen
-- pages of tables before since may be the only copy. arcs has a bit for each arc to
-- keep. It answers the next cursor, which
-- is empty after the last part, the number of deleted keys, and kind, arc, table (0: live),
-- pages of each orphan.
local function sweep(ended, since, arcs, cursor, limit)
  ended, since = tonumber(ended), tonumber(since)
  local answer, deleted = {'OK', '', ''}, 0
  local function orphan(kind, arc, by, key)
    for _, v in ipairs({kind, arc, int(by), int(size(key))}) do answer[#answer + 1] = v end
  end
  local function sweep_frozen(key, arc, by)
    local claimed = by == tonumber(opened) and redis.call('HGET', P .. 'st', arc) == 'c'
    if is_obsolete_copy(by, ended, since) then
      if claimed then redis.call('HSET', P .. 'st', arc, 'd:' .. int(math.max(size(key), 0))) end
      deleted = deleted + redis.call('UNLINK', key)
    elseif not (claimed and by > ended) then
      orphan('x', arc, by, key)
    end
  end

  local scanned = redis.call('SCAN', cursor == '' and '0' or cursor, 'MATCH', P .. '*', 'COUNT', limit)
  for _, key in ipairs(scanned[2]) do
    local kind, first, second = string.match(string.sub(key, #P + 1), '^(%l+):(%d+):?(%d*)$')
    if kind == 'c' and second == '' and not is_of(arcs, tonumber(first)) then
      orphan(kind, first, 0, key)
    elseif (kind == 's' or kind == 'o') and second ~= '' then
      orphan(kind, first, tonumber(second), key)
    elseif kind == 'x' and second ~= '' then
      sweep_frozen(key, first, tonumber(second))
    elseif kind == 'in' and second ~= '' and is_leftover_mark(first, tonumber(second)) then
      deleted = deleted + redis.call('UNLINK', key)
    elseif kind == 'k' and second ~= '' and not is_of(arcs, tonumber(second)) then
      deleted = deleted + drop_keys(first, second)
    elseif kind == 'h' and second ~= '' and not is_of(arcs, tonumber(second)) or kind == 'hp' and not is_of(arcs, tonumber(first)) then
      deleted = deleted + redis.call('UNLINK', key)
    end
  end
  answer[2], answer[3] = scanned[1] ~= '0' and scanned[1] or '', int(deleted)
  return answer
end
