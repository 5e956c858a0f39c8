-- ARGV: node, table. Answers the bits of the arcs that are coming.
return {'OK', redis.call('GET', 'ff:coming')}
