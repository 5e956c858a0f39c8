-- Every script begins with this file. The last line of a script checks ARGV and
-- calls one function (script.go). ARGV[1] is the node's id, and
-- ARGV[2] the deployment that the caller means, '' for any. Lists among the arguments are
-- MessagePack arrays of strings, or '' where they are empty.

-- KEYS[1] is the state of the node, and KEYS[2] a key that never exists, the canary. A
-- Redis Cluster moves the keys of a slot one by one. Meanwhile it refuses every command
-- that declares two keys of which one is missing. So no script of a partition runs beside
-- a part of its keys, whether it declares them or not.
local STATE = KEYS[1]

-- P begins every key of the node: 'ff:', or 'ff:{tag}:' for a partition of a cluster.
local P = string.sub(STATE, 1, -2)
local is_partition = string.find(P, '{', 1, true) ~= nil

-- What the store says about itself. tables lists the tables that route ids, newest
-- first, as "first window epoch;". pages is the number of pages that batches and count_pages
-- have counted. history is the setting of the history and when it began, false where none is
-- kept. is_off tells that it was turned off.
local T = redis.call('HMGET', STATE, 'node', 'fence', 'open', 'tables', 'deployment', 'format', 'pages', 'history')
local fence, open, tables, pages = tonumber(T[2]), tonumber(T[3] or '0'), T[4], tonumber(T[7] or '0') or 0
local is_off = T[8] == 'off'
local history = not is_off and T[8]

-- FORMAT is the newest format of a store that these scripts read and write: that of one with
-- a history. One without has format 1, or none.
local FORMAT = 2

-- Every call is refused if the store is not the one that the caller means.
if (tonumber(T[6] or '1') or FORMAT + 1) > FORMAT then return {'FORMAT', T[6], tostring(FORMAT)} end
if T[1] and T[1] ~= ARGV[1] then return {'WRONGNODE', T[1]} end
if T[1] and ARGV[2] ~= '' and T[5] ~= ARGV[2] then return {'OTHER', T[5], ARGV[2]} end

-- SESSIONS is where the last batch of each session is, in the field OF .. session. That of
-- a partition is its state, so that neither can be here without the other.
local SESSIONS, OF = P .. 'Q', ''
if is_partition then SESSIONS, OF = STATE, 'q:' end

-- int writes a whole number of up to 2^53 as Redis reads it.
local function int(n) return string.format('%d', n) end

-- A failover in the middle of a migration can leave keys of a slot at another server.
-- Redis reads them as keys that never existed. So the hash of each arc of a partition has a
-- field that is no page, from the first opening of a ring on.
local HEADER = ''

-- is_missing tells whether the pages of an arc of a partition are not here.
local function is_missing(arc)
  return is_partition and redis.pcall('HEXISTS', P .. 'c:' .. arc, HEADER) == 0
end
