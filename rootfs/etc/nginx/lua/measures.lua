-- measures.lua counts the requests that this worker has served, for the controller's metrics.
--
-- A request costs additions in tables of this worker. They are put into the dictionary, as a batch, when the controller asks,
-- and when the worker ends. Batches have names that nobody uses twice, and stay until the controller has said that it has
-- them: so none is lost over a reload, and none counts twice.

local cjson = require("cjson").new()
local state = require("state")

local var, now = ngx.var, ngx.now
local start_time, get_method = ngx.req and ngx.req.start_time, ngx.req and ngx.req.get_method
local floor, byte, sub = math.floor, string.byte, string.sub

local SERIES_AT_MOST = 5000 -- of one worker between two batches; further ones are "others"
local SERIES_OF_BATCH = 500
local KNOWN_AT_MOST = 1000 -- values of a histogram whose bucket is remembered
local FRACTION = 0.00025 -- makes no key of bytes or milliseconds whole: LuaJIT compiles no access to a table with some in its array part
local TICK = 0.1 -- seconds
local PATIENCE = 1 -- seconds that the controller waits for workers at most
local BATCH, SEEN = "batch:", "seen:" -- keys of the dictionary
local DOT, ZERO = byte("."), byte("0")

-- METHODS are told apart, others are not: clients may make them up. With the status before the point, the numbers make a key.
local METHODS = {
  GET = 0.01, HEAD = 0.02, POST = 0.03, PUT = 0.04, PATCH = 0.05, DELETE = 0.06,
  OPTIONS = 0.07, CONNECT = 0.08, TRACE = 0.09, PROPFIND = 0.1,
}
local OTHERS = 0.11

local M = {}

local shared = ngx.shared.sluice_measures

-- The histograms in the order in which a series has them: name and kind of bounds. See nginx/traffic.
local HISTOGRAMS = {
  { "request_duration_seconds", "time" },
  { "connect_duration_seconds", "time" },
  { "header_duration_seconds", "time" },
  { "response_duration_seconds", "time" },
  { "request_size", "length" },
  { "response_size", "length" },
  { "bytes_sent", "size" },
}

local bounds, hosts, is_routed, width -- as M.init has them
local request_duration, connect_duration, header_duration, response_duration, request_size, response_size, bytes_sent

local function numbers(text)
  local list = {}
  for word in text:gmatch("[^/]+") do list[#list + 1] = tonumber(word) end
  return list
end

-- init says what is counted, in the master process: the upper bounds of buckets of times, lengths and sizes, numbers
-- separated by slashes; which histograms are left out, names likewise; whether hosts are told apart: "none", "named" for
-- those that somebody names, "all" for requests to others too, together; and whether routes are data, so that $sluice_place has
-- the host, and not the server.
function M.init(times, lengths, sizes, excluded, which, by_routes)
  bounds, hosts, is_routed = times .. "|" .. lengths .. "|" .. sizes, which, by_routes
  local kinds = { time = numbers(times), length = numbers(lengths), size = numbers(sizes) }
  local places, at = {}, 2 -- the first number counts requests
  for _, histogram in ipairs(HISTOGRAMS) do
    local name, list = histogram[1], kinds[histogram[2]]
    if not ("/" .. excluded .. "/"):find("/" .. name .. "/", 1, true) then
      places[name] = { at = at, bounds = list, count = #list, known = {}, known_count = 0 }
    end
    at = at + #list + 2 -- the sum, and what is beyond all bounds
  end
  width = at - 1
  request_duration, connect_duration = places.request_duration_seconds, places.connect_duration_seconds
  header_duration, response_duration = places.header_duration_seconds, places.response_duration_seconds
  request_size, response_size, bytes_sent = places.request_size, places.response_size, places.bytes_sent
end

-- What was counted since the last batch: by place, and there by status and method; and by labels. false is not counted.
local seen, series, series_count = {}, {}, 0
local token, batches = nil, 0 -- of this worker
local answered, is_leaving = 0, false

local function new_series()
  local list = {}
  for i = 1, width do list[i] = 0 end
  return list
end

-- host_of tells what the host of a place is called: what its routes are kept under, or the name of the server.
local function host_of(place)
  if hosts == "none" then return "" end
  if not is_routed then return var.server_name end
  return place:match("^[^\t]*\t([^\t]*)") or "_"
end

-- labels gives those of a request, or nil if it is not to be counted: its host is one that nobody names.
local function labels(place, status, method)
  local host, namespace = host_of(place), var.namespace or ""
  if host == "_" and hosts == "named" and namespace == "" then return nil end
  return ("%03d\t%s\t%s\t%s\t%s\t%s\t%s\t%s"):format(
    status, METHODS[method] and method or "others", host, namespace, var.ingress_name or "", var.service_name or "",
    var.proxy_alternative_upstream_name or "", var.location_path or "")
end

-- add_series gives the series of labels.
local function add_series(key)
  if not series[key] and series_count >= SERIES_AT_MOST then key = key:sub(1, 3) .. ("\tothers"):rep(7) end
  local found = series[key]
  if not found then
    found, series_count = new_series(), series_count + 1
    series[key] = found
  end
  return found
end

-- find gives the series of a request that ended at a place, with a status, by a method, as none has before.
local function find(place, status, method)
  local key = labels(place, status, method)
  local found = key and add_series(key) or false
  local here = seen[place]
  if not here then
    here = {}
    seen[place] = here
  end
  here[status + (METHODS[method] or OTHERS)] = found
  return found
end

-- find_bucket tells which bucket a value is in, and remembers it.
local function find_bucket(place, value)
  local limits, count = place.bounds, place.count
  local i = 1
  while i <= count and value > limits[i] do i = i + 1 end
  if place.known_count >= KNOWN_AT_MOST then
    place.known, place.known_count = {}, 0
  end
  place.known[value + FRACTION], place.known_count = i, place.known_count + 1
  return i
end

-- observe adds a value to a histogram. Most values have been there before; without the loop, LuaJIT compiles what calls this.
local function observe(list, place, value)
  if not place or not value then return end
  local at, i = place.at, place.known[value + FRACTION] or find_bucket(place, value)
  list[at] = list[at] + value
  list[at + i] = list[at + i] + 1
end

-- put stores a batch, and tells whether there was room.
local function put(list)
  batches = batches + 1
  local ok, problem = shared:safe_set(BATCH .. token .. "-" .. batches, cjson.encode({ bounds = bounds, series = list }))
  if not ok then ngx.log(ngx.ERR, "requests that were counted cannot be told: ", problem) end
  return ok
end

-- publish puts what was counted into the dictionary. What finds no room is kept for the next time.
local function publish()
  local all = series
  seen, series, series_count = {}, {}, 0
  local part, count = {}, 0
  for key, list in pairs(all) do
    part[key], count = list, count + 1
    if count == SERIES_OF_BATCH then
      if not put(part) then break end
      for told in pairs(part) do all[told] = nil end
      part, count = {}, 0
    end
  end
  if count > 0 and put(part) then
    for told in pairs(part) do all[told] = nil end
  end
  for key, list in pairs(all) do series[key], series_count = list, series_count + 1 end
end

-- answer does what the controller has asked for since the last time.
local function answer()
  local wanted = shared:get("wanted") or 0
  if wanted == answered then return end
  answered = wanted
  publish()
  shared:safe_set(SEEN .. ngx.worker.pid(), wanted)
end

local function tick(is_premature)
  if is_premature then -- there are no timers from then on
    is_leaving = true
    return publish()
  end
  answer()
end

-- init_worker starts counting.
function M.init_worker()
  if not bounds then return end
  token = ngx.worker.pid() .. "-" .. floor(now() * 1000)
  answered = shared:get("wanted") or 0
  shared:safe_set(SEEN .. ngx.worker.pid(), answered)
  local ok, problem = ngx.timer.every(TICK, tick)
  if not ok then ngx.log(ngx.ERR, "requests are counted, but not told before this worker ends: ", problem) end
end

-- exit_worker tells what is left.
function M.exit_worker()
  if not token then return end
  publish()
  shared:delete(SEEN .. ngx.worker.pid())
end

-- seconds reads a time as NGINX writes it, with three digits behind the point. Of several tries there is a list, which is not
-- counted. Reading what lies behind a point takes tonumber longer than all else that is done for a request here.
local function seconds(text)
  if byte(text, -4) ~= DOT then return nil end
  local tenths, hundredths, thousandths = byte(text, -3, -1)
  local whole
  if #text == 5 then whole = byte(text) - ZERO else whole = tonumber(sub(text, 1, -5)) end
  return whole and (whole * 1000 + tenths * 100 + hundredths * 10 + thousandths - ZERO * 111) / 1000
end

-- note counts a request that is over. This is called for every request.
function M.note()
  if ngx.is_subrequest then return end -- which may be logged, too
  local place, status, method = var.sluice_place or "", ngx.status, get_method()
  if place == "" and not is_routed then place = var.server_name end -- no location took it
  local here = seen[place]
  local list = here and here[status + (METHODS[method] or OTHERS)]
  if list == nil then list = find(place, status, method) end
  if list then
    list[1] = list[1] + 1
    observe(list, request_duration, floor((now() - start_time()) * 1000 + 0.5) / 1000)
    observe(list, request_size, tonumber(var.request_length))
    local sent = tonumber(var.bytes_sent)
    observe(list, response_size, sent)
    observe(list, bytes_sent, sent)
    local took = var.upstream_response_time
    if took then
      observe(list, response_duration, seconds(took))
      observe(list, connect_duration, seconds(var.upstream_connect_time or ""))
      observe(list, header_duration, seconds(var.upstream_header_time or ""))
    end
  end
  if is_leaving then answer() end
end

-- is_told tells whether all workers have done what the controller has asked for.
local function is_told(wanted)
  for _, worker in ipairs(state.status().workers) do
    if (shared:get(SEEN .. worker.pid) or wanted) < wanted then return false end
  end
  return true
end

-- collect forgets the batches that the controller has, has all workers tell what they have counted, and gives the texts of the
-- batches that there are, by name.
function M.collect(taken)
  for _, name in ipairs(taken) do shared:delete(BATCH .. name) end
  local wanted = shared:incr("wanted", 1, 0)
  local deadline = now() + PATIENCE
  repeat ngx.sleep(TICK / 4) until is_told(wanted) or now() >= deadline
  local found = {}
  for _, key in ipairs(shared:get_keys(0)) do
    if key:sub(1, #BATCH) == BATCH then found[key:sub(#BATCH + 1)] = shared:get(key) end
  end
  return found
end

return M
