-- may_run tells whether the user may run a command on a key of Footfall. Since Redis 8
-- the check wants as many arguments as the command takes.
local function may_run(name)
  for n = 1, 4 do
    local args = {name}
    for i = 1, n do args[i + 1] = STATE end
    local counts, may = pcall(redis.acl_check_cmd, unpack(args))
    if counts then return may end
  end
  return redis.acl_check_cmd(name)
end
