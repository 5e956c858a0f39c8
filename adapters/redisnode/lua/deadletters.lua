-- Dead letters: ff:dl is a sorted set of "key until owner record", all with the score 0, so
-- in the order of the keys (counting.DeadLetterKey). until, in milliseconds, is the end of
-- the owner's claim; 0 and '-' for none. The record is one of the caller, and only added to.
-- The state counts the bytes of their endpoints (dlbytes), and those that were dropped.
local LETTERS = P .. 'dl'

-- is_letters_gone tells whether the letters of a partition are not here (HEADER).
local function is_letters_gone()
  return is_partition and redis.call('HEXISTS', STATE, 'dl') == 1 and redis.call('EXISTS', LETTERS) == 0
end

-- letter_time is what the keys of a time begin with.
local function letter_time(ms) return string.format('%015d', math.max(ms, 0)) end

-- find_letter returns the element of a key with its parts, nil without one.
local function find_letter(key)
  local found = redis.call('ZRANGE', LETTERS, '[' .. key .. ' ', '(' .. key .. '!', 'BYLEX', 'LIMIT', 0, 1)[1]
  if found then return found, string.match(found, '^%S+ (%d+) (%S+) (.*)$') end
end

-- put_letter stores a letter, in the place of an element if there is one.
local function put_letter(before, key, til, owner, record)
  if before then redis.call('ZREM', LETTERS, before) end
  redis.call('ZADD', LETTERS, 0, key .. ' ' .. til .. ' ' .. owner .. ' ' .. record)
end

-- letter_bytes is the length of the endpoint of a letter, after attempts, status and reason.
local function letter_bytes(record) return #(string.match(record, '^%d+ %d+ %d+ %S+ (.*)$') or '') end

-- remove_letters deletes some elements, and returns the bytes of their endpoints.
local function remove_letters(elements)
  if #elements == 0 then return 0 end
  local bytes = 0
  for _, element in ipairs(elements) do
    bytes = bytes + letter_bytes(string.match(element, '^%S+ %d+ %S+ (.*)$') or '')
  end
  redis.call('ZREM', LETTERS, unpack(elements))
  if bytes > 0 then redis.call('HINCRBY', STATE, 'dlbytes', -bytes) end
  return bytes
end

-- expire_letters deletes some letters that are older than life milliseconds.
local function expire_letters(life)
  remove_letters(redis.call('ZRANGE', LETTERS, '(', '(' .. letter_time(now() - life), 'BYLEX', 'LIMIT', 0, 256))
end

-- letter_at answers the letter with an index, the oldest has 0, and the newest -1.
local function letter_at(index)
  if is_partition and index >= 0 then index = index + 1 end
  return redis.call('ZRANGE', LETTERS, index, index)
end

-- add_letter stores a new letter. bound_letters has to follow.
local function add_letter(key, til, owner, record)
  if is_letters_gone() then return redis.call('HINCRBY', STATE, 'dldropped', 1) end
  if is_partition and redis.call('HSETNX', STATE, 'dl', 1) == 1 then redis.call('ZADD', LETTERS, 0, HEADER) end
  if #letter_at(0) == 0 then redis.call('HDEL', STATE, 'dlbytes') end
  put_letter(nil, key, til, owner, record)
  redis.call('HINCRBY', STATE, 'dlbytes', letter_bytes(record))
end

-- bound_letters deletes expired letters. It deletes and counts the oldest beyond most, or
-- beyond the most bytes of their endpoints.
local function bound_letters(life, most, most_bytes)
  expire_letters(life)
  local bytes = tonumber(redis.call('HGET', STATE, 'dlbytes') or '0')
  local beyond = -1 - most - (is_partition and 1 or 0)
  while #letter_at(0) > 0 and (bytes > tonumber(most_bytes) or #letter_at(beyond) > 0) do
    bytes = bytes - remove_letters(letter_at(0))
    redis.call('HINCRBY', STATE, 'dldropped', 1)
  end
end

-- list_dead_letters answers the elements after a key, limit at most.
local function list_dead_letters(after, limit, life)
  if is_letters_gone() then return {'MISSING'} end
  local expired = letter_time(now() - life)
  local from = after < expired and expired or after .. '!'
  return {'OK', unpack(redis.call('ZRANGE', LETTERS, '[' .. from, '+', 'BYLEX', 'LIMIT', 0, limit))}
end

-- claim_dead_letters answers absent, busy or claimed for each key. lease is in
-- milliseconds; one that ends later than the longest was given before the clock stepped back.
local function claim_dead_letters(owner, lease, longest, keys)
  if is_letters_gone() then return {'MISSING'} end
  local answer, ms = {}, now()
  for i, key in ipairs(unpacked(keys)) do
    local found, til, by, record = find_letter(key)
    local left = tonumber(til or '0') - ms
    if not found then
      answer[i] = 'absent'
    elseif by ~= '-' and by ~= owner and left > 0 and left <= tonumber(longest) then
      answer[i] = 'busy'
    else
      put_letter(found, key, int(ms + lease), owner, record)
      answer[i] = 'claimed'
    end
  end
  return durable(unpack(answer))
end

-- release_dead_letters ends claims of an owner. all: key, record, ...
local function release_dead_letters(owner, all)
  local letters = unpacked(all)
  for i = 1, #letters, 2 do
    local found, _, by = find_letter(letters[i])
    if found and by == owner then put_letter(found, letters[i], '0', '-', letters[i + 1]) end
  end
  return durable()
end

local function forget_dead_letters(keys)
  if is_letters_gone() then return {'MISSING'} end
  for _, key in ipairs(unpacked(keys)) do
    remove_letters({(find_letter(key))})
  end
  return durable()
end

-- add_dead_letters stores letters that are not there. all: key, record, ...
local function add_dead_letters(owner, lease, life, most, most_bytes, all)
  if is_letters_gone() then return {'MISSING'} end
  local letters, til = unpacked(all), int(now() + lease)
  for i = 1, #letters, 2 do
    if not find_letter(letters[i]) then add_letter(letters[i], til, owner, letters[i + 1]) end
  end
  bound_letters(life, most, most_bytes)
  return durable()
end
