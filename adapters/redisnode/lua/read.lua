-- Reads of counts.

-- read answers a count for each page: false where it was never visited, 'corrupt'
-- where it is no count, 'missing' where its arc is missing. pages: arc, page, ...
local function read(pages)
  pages = unpacked(pages)
  local answer = {'OK'}
  for i = 1, #pages, 2 do
    local r = redis.pcall('HGET', P .. 'c:' .. pages[i], pages[i + 1])
    if type(r) == 'table' then
      r = 'corrupt'
    elseif not r and is_missing(pages[i]) then
      r = 'missing'
    end
    answer[#answer + 1] = r
  end
  return answer
end

-- list answers the next cursor, which is empty after the last of that many arcs, and
-- then arc, {page, count, ...} of about limit pages. more answers what goes beside these, nothing where
-- a part is not here, and how many fields it has read for each page; it may be nil.
local function list(at, limit, arcs, more, scanned)
  if redis.call('BITCOUNT', P .. 'coming') > 0 then return {'ARRIVING'} end
  local arc, cursor = string.match(at == '' and '0 0' or at, '^(%d+) (%d+)$')
  if not arc then return {'CURSOR'} end
  arc, arcs = tonumber(arc), tonumber(arcs)
  local answer, left = {'OK', ''}, tonumber(limit)
  local own = is_partition and redis.call('HGET', STATE, 'arcs')
  for _ = 1, 1024 do
    if left <= 0 or arc >= arcs then break end
    if own and is_of(own, arc) and is_missing(int(arc)) then return {'MISSING'} end
    local r = redis.pcall('HSCAN', P .. 'c:' .. int(arc), cursor, 'COUNT', scanned or limit)
    if r.err then return {'CORRUPT'} end
    if #r[2] > 0 then
      answer[#answer + 1] = int(arc)
      answer[#answer + 1] = r[2]
      local beside, fields = true, 1
      if more then
        beside, fields = more(int(arc), r[2])
        answer[#answer + 1] = beside
      end
      if not beside then return {'MISSING'} end
      left = left - #r[2] / 2 * fields
    end
    cursor = r[1]
    if cursor == '0' then arc = arc + 1 end
  end
  if arc < arcs then answer[2] = int(arc) .. ' ' .. cursor end
  return answer
end
