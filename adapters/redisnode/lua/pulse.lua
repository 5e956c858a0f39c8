-- ARGV: node. Answers fence, open, and the number of arcs that are coming.
return {'OK', int(fence), int(open), int(redis.call('BITCOUNT', 'ff:coming'))}
