-- ARGV: node. Answers the opened and the fenced document, and the number of
-- arcs that are coming.
local docs = redis.call('HMGET', 'ff:T', 'opened', 'fenced')
return {'OK', docs[1], docs[2], int(redis.call('BITCOUNT', 'ff:coming'))}
