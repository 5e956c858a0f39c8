-- ARGV: node. Answers the opened, the fenced and the approved document, and the
-- number of arcs that are coming.
local docs = redis.call('HMGET', 'ff:T', 'opened', 'fenced', 'approved')
return {'OK', docs[1], docs[2], docs[3], int(redis.call('BITCOUNT', 'ff:coming'))}
