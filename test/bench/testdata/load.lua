-- One load of wrk. Arguments: its kind, one of those below, and the milliseconds
-- that a connection pauses on the average between two requests.
local kinds = {
  visit = function(n) return wrk.format('POST', '/visit/page-' .. n) end,
  webdis = function(n) return wrk.format('GET', '/INCR/visits:page-' .. n) end,
  read = function(n) return wrk.format('GET', '/visits/page-' .. n) end,
  accept = function() return wrk.format('GET', string.format('/api/verve/accept?id=%d', math.random(0, 2 ^ 31 - 1))) end,
  history = function(n)
    return wrk.format('GET', '/visits/page-' .. n .. '/history?from=' .. os.date('!%Y-%m-%dT%H:00:00Z', os.time() - 719 * 3600))
  end,
  bulk = function()
    local items = {}
    for i = 1, 500 do items[i] = '{"page_id":"page-' .. math.random(100000) .. '"}' end
    return wrk.format('POST', '/visits', {['Content-Type'] = 'application/json'}, '[' .. table.concat(items, ',') .. ']')
  end,
}

-- How many requests there are of a kind, if not as many as pages.
local numbers = {history = 1000, bulk = 500}

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
    for n = 1, numbers[args[1]] or pages do requests[n] = kinds[args[1]](n) end
  end
  if pause == 0 then delay = nil end
end

function request() return requests[math.random(#requests)] end

function delay() return math.random(0, 2 * pause) end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %d %d %d %d\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
