-- The clock, and the windows that take no ids any more: sealed and marks, in the forms of
-- counting.SealedWindows. length is that of a window in milliseconds.
local W = redis.call('HMGET', STATE, 'length', 'sealed', 'marks')
local length, sealed, marks = tonumber(W[1]), W[2], W[3]

-- seal_span adds first to last to a sorted list of spans that neither overlap nor
-- touch. What is sealed needs no other order.
local function seal_span(spans, first, last)
  for i = #spans, 1, -1 do
    local s = spans[i]
    if s[1] <= last + 1 and s[2] >= first - 1 then
      first, last = math.min(first, s[1]), math.max(last, s[2])
      table.remove(spans, i)
    end
  end
  local at = 1
  while spans[at] and spans[at][1] < first do at = at + 1 end
  table.insert(spans, at, {first, last})
end

-- sealed_spans reads the sealed windows. If sealed is not the one that the marks begin
-- with, a version without marks has sealed all windows up to it.
local function sealed_spans()
  local spans = {}
  for first, last in string.gmatch(marks or '', '(%S+)%.%.(%S+)') do spans[#spans + 1] = {tonumber(first), tonumber(last)} end
  if sealed and string.match(marks or '', '^%S+') ~= sealed then seal_span(spans, -2^53, tonumber(sealed)) end
  return spans
end

-- open_window is the first window from w on that is not sealed.
local function open_window(w)
  for _, s in ipairs(sealed_spans()) do
    if s[1] <= w and w <= s[2] then w = s[2] + 1 end
  end
  return w
end

-- current_window is the one to which an id goes now.
local function current_window() return open_window(math.floor(now() / length)) end

-- skewed tells whether the server's clock and a caller's, in milliseconds, differ by
-- more than most.
local function skewed(caller, most) return math.abs(now() - caller) > tonumber(most) end

-- add_to_number adds to the number of ids ('n') or endpoints ('e') of a window, and returns
-- it. Those of a partition are in its state: if ids are not here, their number is.
local function add_to_number(kind, w, by)
  if is_partition then return redis.pcall('HINCRBY', STATE, kind .. ':' .. w, by) end
  return redis.pcall('INCRBY', P .. kind .. ':' .. w, by)
end

-- number_of_ids is the number of ids of a window, false where there is none.
local function number_of_ids(w)
  if is_partition then return redis.call('HGET', STATE, 'n:' .. w) end
  return redis.pcall('GET', P .. 'n:' .. w)
end
