-- One load of wrk. Arguments: its kind, one of those below, and the milliseconds
-- that a connection pauses on the average between two requests.
local kinds = {
  visit = function(n) return wrk.format('POST', '/visit/page-' .. n) end,
  read = function(n) return wrk.format('GET', '/visits/page-' .. n) end,
  accept = function() return wrk.format('GET', string.format('/api/verve/accept?id=%d', math.random(0, 2 ^ 31 - 1))) end,
}

-- In these no request is like another.
local made, run = 0, 0
local distinct = {
  reads = function()
    made = made + 1
    return wrk.format('GET', '/visits/' .. run .. '-' .. made)
  end,
  ids = kinds.accept,
}

local pages, requests, pause = 100000, {}, 0

-- The requests are made beforehand: wrk runs on the same cores as what it loads.
function init(args)
  math.randomseed(os.time() + tonumber(tostring(requests):match('0x%x+') or 0) % 1000003)
  pause = tonumber(args[2])
  if distinct[args[1]] then
    request, run = distinct[args[1]], math.random(0, 2 ^ 31 - 1)
  else
    for n = 1, pages do requests[n] = kinds[args[1]](n) end
  end
  if pause == 0 then delay = nil end
end

function request() return requests[math.random(pages)] end

function delay() return math.random(0, 2 * pause) end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %d %d %d %d\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
