-- What is approved outlives later fences; opening forgets it.
if t[5] ~= t[3] then redis.call('HSET', 'ff:T', 'approved', t[6]) end
return lasting()
