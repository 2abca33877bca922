-- measures_spec.lua: what becomes of the counts of requests on their way to the controller.

local cjson = require("cjson")
local stand_in = require("stand_in")

-- fresh makes a worker of its own; workers that are given the same dictionaries know each other by them.
local function fresh(shared, pid, by_routes)
  local ngx = stand_in.fresh({ shared = shared })
  ngx.worker.pid = function() return pid end
  ngx.req = { start_time = function() return ngx.time - 0.007 end, get_method = function() return ngx.method end }
  ngx.status, ngx.method = 200, "GET"
  ngx.sleep = function() ngx.time = ngx.time + 0.1 end
  ngx.timer.every = function(_, handler) ngx.tick = handler return true end
  local measures = require("measures")
  measures.init("0.005/0.01", "100", "1000", "connect_duration_seconds", "named", by_routes)
  measures.init_worker()
  return measures, ngx
end

local function dicts(room)
  return { sluice_state = stand_in.dict(), sluice_certificates = stand_in.dict(), sluice_measures = stand_in.dict(room) }
end

-- request is one for a path of an Ingress, where routes are not data.
local function request(measures, ngx, host, path, more)
  local owner = { namespace = "shop", ingress_name = "web", service_name = "web", location_path = path or "/" }
  for name, value in pairs(owner) do ngx.var[name] = value end
  ngx.var.sluice_place, ngx.var.server_name = host .. (path or "/"), host
  ngx.var.request_length, ngx.var.bytes_sent = "100", "1001"
  for name, value in pairs(more or {}) do ngx.var[name] = value end
  measures.note()
end

-- requests adds up what batches say, by series.
local function requests(texts)
  local sums = {}
  for _, text in pairs(texts) do
    for key, list in pairs(cjson.decode(text).series) do sums[key] = (sums[key] or 0) + list[1] end
  end
  return sums
end

local function names(texts)
  local list = {}
  for name in pairs(texts) do list[#list + 1] = name end
  return list
end

local KEY = "200\tGET\ta.test\tshop\tweb\tweb\t\t/"

spec("measures: a series has sums and buckets, and nothing of what is left out or absent", function()
  local measures, ngx = fresh(dicts(), 7)
  request(measures, ngx, "a.test", "/", { upstream_response_time = "0.01, 0.02", upstream_header_time = "0.011", upstream_connect_time = "0.001" })
  measures.exit_worker()
  local text = ngx.shared.sluice_measures:get("batch:7-1000000-1")
  same(cjson.decode(text), { bounds = "0.005/0.01|100|1000", series = { [KEY] = {
    1, 0.007, 0, 1, 0, 0, 0, 0, 0, 0.011, 0, 0, 1, 0, 0, 0, 0, 100, 1, 0, 1001, 0, 1, 1001, 0, 1,
  } } })
end)

spec("measures: more values than a worker remembers are in their buckets, each time", function()
  local measures, ngx = fresh(dicts(), 7)
  for _ = 1, 2 do
    for n = 1, 3000 do
      request(measures, ngx, "a.test", "/", { bytes_sent = tostring(n) })
    end
  end
  measures.exit_worker()
  local list = cjson.decode(ngx.shared.sluice_measures:get("batch:7-1000000-1")).series[KEY]
  same({ list[1], list[19], list[20], list[24], list[25], list[26] }, { 6000, 6000, 0, 3000 * 3001, 2000, 4000 })
end)

spec("measures: what is told stays until it is taken, and is told once", function()
  local measures, ngx = fresh(dicts(), 7)
  request(measures, ngx, "a.test")
  same(measures.collect({}), {})
  ngx.tick()
  local first = measures.collect({})
  same(requests(first), { [KEY] = 1 })
  same(measures.collect({}), first, "not taken")
  request(measures, ngx, "a.test")
  request(measures, ngx, "a.test")
  ngx.tick()
  same(requests(measures.collect(names(first))), { [KEY] = 2 })
end)

spec("measures: a worker that ends tells all it has, and its successor goes on", function()
  local shared = dicts()
  local measures, ngx = fresh(shared, 7)
  request(measures, ngx, "a.test")
  ngx.tick(true)
  request(measures, ngx, "a.test")
  measures.exit_worker()
  measures, ngx = fresh(shared, 8)
  request(measures, ngx, "a.test")
  measures.collect({})
  ngx.tick()
  same(requests(measures.collect({})), { [KEY] = 3 })
end)

spec("measures: what finds no room is told when there is some", function()
  local measures, ngx = fresh(dicts(600), 7)
  request(measures, ngx, "a.test")
  measures.collect({})
  ngx.tick()
  local first = measures.collect({})
  request(measures, ngx, "a.test", "/" .. ("x"):rep(300))
  ngx.tick()
  same(#ngx.logged, 1)
  same(requests(measures.collect(names(first))), {})
  ngx.tick()
  same(requests(measures.collect({})), { ["200\tGET\ta.test\tshop\tweb\tweb\t\t/" .. ("x"):rep(300)] = 1 })
end)

spec("measures: there is a bound to series, and no request is lost by it", function()
  local measures, ngx = fresh(dicts(), 7)
  for n = 1, 5010 do request(measures, ngx, "a.test", "/" .. n) end
  measures.exit_worker()
  local all, count = {}, 0
  for _, key in ipairs(ngx.shared.sluice_measures:get_keys()) do
    if key:find("^batch:") then all[key] = ngx.shared.sluice_measures:get(key) end
  end
  local sums = requests(all)
  for _ in pairs(sums) do count = count + 1 end
  same({ count, sums["200" .. ("\tothers"):rep(7)] }, { 5001, 10 })
end)

spec("measures: times are read as NGINX writes them, and lists are not", function()
  local measures, ngx = fresh(dicts(), 7)
  for _, time in ipairs({ "0.001", "0.099", "12.345", "-", "", "1.000, 2.000", "0.001 : 0.001", "-, 0.100" }) do
    request(measures, ngx, "a.test", "/", { upstream_response_time = time })
  end
  measures.exit_worker()
  local list = cjson.decode(ngx.shared.sluice_measures:get("batch:7-1000000-1")).series[KEY]
  same({ list[1], ("%.3f"):format(list[14]), list[15], list[16], list[17] }, { 8, "12.445", 1, 0, 2 })
end)

spec("measures: statuses, methods and alternatives are told apart, but not methods that clients make up", function()
  local measures, ngx = fresh(dicts(), 7)
  local function by(status, method, alternative)
    ngx.status, ngx.method = status, method
    request(measures, ngx, "a.test", "/", { sluice_place = alternative .. "a.test/", proxy_alternative_upstream_name = alternative })
  end
  for _ = 1, 2 do
    by(200, "GET", "")
    by(200, "POST", "")
    by(9, "GET", "")
    by(200, "GET", "shop-next-80")
    by(200, "SPY", "")
    by(200, "PRY", "")
  end
  measures.exit_worker()
  local owner = "\ta.test\tshop\tweb\tweb\t"
  same(requests({ ngx.shared.sluice_measures:get("batch:7-1000000-1") }), {
    ["200\tGET" .. owner .. "\t/"] = 2, ["200\tPOST" .. owner .. "\t/"] = 2, ["009\tGET" .. owner .. "\t/"] = 2,
    ["200\tGET" .. owner .. "shop-next-80\t/"] = 2, ["200\tothers" .. owner .. "\t/"] = 4,
  })
end)

spec("measures: what no location took counts for the server, and for nobody if nobody names it", function()
  local measures, ngx = fresh(dicts(), 7)
  for _, server in ipairs({ "a.test", "b.test", "_" }) do
    ngx.var.server_name, ngx.var.request_length, ngx.var.bytes_sent = server, "1", "1"
    measures.note()
  end
  measures.exit_worker()
  same(requests({ ngx.shared.sluice_measures:get("batch:7-1000000-1") }), { ["200\tGET\ta.test\t\t\t\t\t"] = 1, ["200\tGET\tb.test\t\t\t\t\t"] = 1 })
end)

spec("measures: hosts are called what their routes are kept under, and those that nobody names are not counted", function()
  local measures, ngx = fresh(dicts(), 7, true)
  for _, host in ipairs({ "a.test", "*.wild.test", "_" }) do request(measures, ngx, host, "/", { sluice_place = "\t" .. host .. "\tshop\tweb\tweb\t80\t/" }) end
  for _, name in ipairs({ "namespace", "ingress_name", "service_name", "location_path" }) do ngx.var[name] = "" end
  ngx.status = 404
  for _, place in ipairs({ "\ta.test\t\t\t\t\t", "\t_\t\t\t\t\t", "" }) do
    ngx.var.sluice_place = place
    measures.note()
  end
  measures.exit_worker()
  local key = "200\tGET\t%s\tshop\tweb\tweb\t\t/"
  same(requests({ ngx.shared.sluice_measures:get("batch:7-1000000-1") }), {
    [key:format("a.test")] = 1, [key:format("*.wild.test")] = 1, [key:format("_")] = 1, ["404\tGET\ta.test\t\t\t\t\t"] = 1,
  })
end)
