-- ingress_spec.lua: the entry points, from a request's variables to what NGINX is told.

local cjson = require("cjson")
local dns = require("dns")
local stand_in = require("stand_in")

local function fresh(backends, options)
  local ngx = stand_in.fresh(options)
  local ingress = require("ingress")
  ingress.init("/nonexistent")
  ingress.init_worker("hash")
  if backends then
    local status, problem = require("state").apply({ version = 1, generation = 1, backends = backends })
    same(status, nil, problem)
  end
  return ingress, ngx
end

local function endpoints(...)
  local list = {}
  for i, text in ipairs({ ... }) do list[i] = { address = text, port = 8080 } end
  return { endpoints = list }
end

spec("ingress: without a backend or an entry NGINX is on its own", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1") })
  for _, name in ipairs({ "", "unknown" }) do
    ngx.var.backend = name
    same(stand_in.call(ngx, ingress.rewrite), nil)
    same(stand_in.call(ngx, ingress.balance), nil)
    same(ngx.peer, nil)
  end
  ngx.var.backend = nil
  same(stand_in.call(ngx, ingress.rewrite), nil)
  same(stand_in.call(ngx, ingress.balance), nil)
end)

spec("ingress: a backend without endpoints is 503", function()
  local ingress, ngx = fresh({ a = {} })
  ngx.var.backend = "a"
  same(stand_in.call(ngx, ingress.rewrite), 503)
  same(stand_in.call(ngx, ingress.balance), -3)
end)

spec("ingress: tries take turns, with as many more tries as there are others", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1", "10.0.0.2", "::1") })
  ngx.var.backend = "a"
  local seen = {}
  for _ = 1, 3 do
    same(stand_in.call(ngx, ingress.rewrite), nil)
    same(stand_in.call(ngx, ingress.balance), nil)
    same(ngx.tries, 2)
    seen[ngx.peer] = true
  end
  same(seen, { ["10.0.0.1:8080"] = true, ["10.0.0.2:8080"] = true, ["[::1]:8080"] = true })
end)

spec("ingress: a retry goes elsewhere, and to nobody after all", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1", "10.0.0.2") })
  ngx.var.backend = "a"
  ngx.failure = "failed"
  ngx.var.upstream_addr, ngx.var.upstream_connect_time = "10.0.0.1:8080 : ", "- : "
  same(stand_in.call(ngx, ingress.balance), nil)
  same(ngx.peer, "10.0.0.2:8080")
  same(ngx.tries, nil)
  ngx.var.upstream_addr, ngx.var.upstream_connect_time = "10.0.0.1:8080, 10.0.0.2:8080 : ", "-, - : "
  same(stand_in.call(ngx, ingress.balance), -3)
end)

spec("ingress: a peer that cannot be connected to has no turn for its time, and then has its share again", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1", "10.0.0.2") })
  ngx.var.backend = "a"
  local function peers(count)
    local counts = {}
    for _ = 1, count do
      ngx.request, ngx.failure, ngx.var.upstream_addr = ngx.request + 1, nil, nil
      same(stand_in.call(ngx, ingress.rewrite), nil)
      same(stand_in.call(ngx, ingress.balance), nil)
      counts[ngx.peer] = (counts[ngx.peer] or 0) + 1
    end
    return counts
  end
  same(peers(4), { ["10.0.0.1:8080"] = 2, ["10.0.0.2:8080"] = 2 })
  ngx.failure = "failed"
  ngx.var.upstream_addr, ngx.var.upstream_connect_time = "10.0.0.1:8080 : ", "- : "
  same(stand_in.call(ngx, ingress.balance), nil)
  same(ngx.peer, "10.0.0.2:8080")
  same(peers(4), { ["10.0.0.2:8080"] = 4 })
  ngx.time = ngx.time + 11
  same(peers(1), { ["10.0.0.1:8080"] = 1 }, "its trial")
  same(peers(4), { ["10.0.0.2:8080"] = 4 }, "as long as that lasts")
  ngx.time = ngx.time + 7
  peers(1) -- finds out that the trial is over
  same(peers(8), { ["10.0.0.1:8080"] = 4, ["10.0.0.2:8080"] = 4 })
end)

spec("ingress: a change of endpoints is seen by the next request", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1") })
  ngx.var.backend = "a"
  stand_in.call(ngx, ingress.balance)
  same(ngx.peer, "10.0.0.1:8080")
  require("state").apply({ version = 1, generation = 2, backends = { a = endpoints("10.0.0.2") } })
  ngx.time = ngx.time + 0.001
  stand_in.call(ngx, ingress.balance)
  same(ngx.peer, "10.0.0.2:8080")
end)

spec("ingress: what rewrite found is for its request and its moment only", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1"), b = endpoints("10.0.0.2") })
  local function rewrite(name)
    ngx.var.backend = name
    stand_in.call(ngx, ingress.rewrite)
  end
  local function peer(name)
    ngx.var.backend = name
    stand_in.call(ngx, ingress.balance)
    return ngx.peer
  end
  rewrite("a")
  same(peer("a"), "10.0.0.1:8080")
  ngx.request = 2
  same(peer("b"), "10.0.0.2:8080", "another request")
  ngx.request = 1
  rewrite("")
  same(peer("b"), "10.0.0.2:8080", "a rewrite without a backend in between")
  rewrite("a")
  require("state").apply({ version = 1, generation = 2, backends = { a = endpoints("10.0.0.3") } })
  ngx.time = ngx.time + 5
  same(peer("a"), "10.0.0.3:8080", "after a pause")
end)

spec("ingress: a name is resolved before the balancer needs it, or is 503", function()
  local ingress, ngx = fresh({
    a = { names = { { address = "db.example.com", port = 5432 } } },
    b = { endpoints = { { address = "10.0.0.9", port = 1 } }, names = { { address = "none.example.com", port = 2 } } },
    c = { names = { { address = "none.example.com", port = 2 } } },
  })
  local resolver = require("resolver")
  resolver.resolve = function(name)
    if name == "db.example.com" then return { addresses = { "\10\0\0\7" }, ttl = 30 } end
    return nil, "no such name"
  end
  ngx.var.backend = "a"
  same(stand_in.call(ngx, ingress.rewrite), nil)
  stand_in.call(ngx, ingress.balance)
  same(ngx.peer, "10.0.0.7:5432")
  ngx.var.backend = "b"
  same(stand_in.call(ngx, ingress.rewrite), nil)
  stand_in.call(ngx, ingress.balance)
  same(ngx.peer, "10.0.0.9:1")
  ngx.var.backend = "c"
  same(stand_in.call(ngx, ingress.rewrite), 503)
  same(dns.NXDOMAIN, 3)
end)

-- canaries are backends of which the first has an alternative, always taken, on path / of one server.
local function canaries(alternative)
  local stable = endpoints("10.0.0.1")
  stable.routes = { ["web.example.com"] = { ["/"] = { { backend = "shop_next_80", weight = 1, weight_total = 1 } } } }
  return { shop_stable_80 = stable, shop_next_80 = alternative }
end

-- visit sends a request through rewrite and balance. It gives the peer, or the status.
local function visit(ingress, ngx, variables)
  local var = ngx.var
  var.backend, var.server_name, var.location_path, var.path_type = "shop_stable_80", "web.example.com", "/", nil
  for name, value in pairs(variables or {}) do var[name] = value end
  local status = stand_in.call(ngx, ingress.rewrite)
  if status then return status end
  status = stand_in.call(ngx, ingress.balance)
  return status or ngx.peer
end

spec("ingress: an alternative takes requests of its route only, and logs name it", function()
  local ingress, ngx = fresh(canaries(endpoints("10.0.0.2", "10.0.0.3")))
  same(visit(ingress, ngx):sub(1, 7), "10.0.0.")
  assert(ngx.peer ~= "10.0.0.1:8080")
  same(ngx.tries, 1, "tries beyond the first")
  same(ngx.var.backend, "shop_next_80")
  same(ngx.var.proxy_alternative_upstream_name, "shop-next-80")
  for _, elsewhere in ipairs({ { server_name = "other.example.com" }, { location_path = "/b" }, { path_type = "Exact" } }) do
    ngx.var.proxy_alternative_upstream_name = nil
    same(visit(ingress, ngx, elsewhere), "10.0.0.1:8080")
    same(ngx.var.backend, "shop_stable_80")
    same(ngx.var.proxy_alternative_upstream_name, nil)
  end
end)

spec("ingress: an Exact path beside an equal Prefix path has alternatives of its own", function()
  local backends = canaries(endpoints("10.0.0.2"))
  local paths = backends.shop_stable_80.routes["web.example.com"]
  paths["=/"], paths["/"] = paths["/"], nil
  local ingress, ngx = fresh(backends)
  same(visit(ingress, ngx, { path_type = "Exact" }), "10.0.0.2:8080")
  same(visit(ingress, ngx, { path_type = "" }), "10.0.0.1:8080")
end)

spec("ingress: an alternative without endpoints, or without an entry, leaves requests where they are", function()
  for _, alternative in ipairs({ {}, { names = { { address = "none.example.com", port = 1 } } } }) do
    local ingress, ngx = fresh(canaries(alternative))
    require("resolver").resolve = function() return nil, "no such name" end
    ngx.var.proxy_alternative_upstream_name = "left by an internal redirect"
    same(visit(ingress, ngx), "10.0.0.1:8080")
    same(ngx.var.proxy_alternative_upstream_name, "")
  end
  local ingress, ngx = fresh(canaries(nil))
  same(visit(ingress, ngx), "10.0.0.1:8080")
end)

spec("ingress: without endpoints of its own a location is 503, whatever its alternatives have", function()
  local backends = canaries(endpoints("10.0.0.2"))
  backends.shop_stable_80.endpoints = nil
  local ingress, ngx = fresh(backends)
  same(visit(ingress, ngx), 503)
end)

spec("ingress: names of an alternative are resolved, and after that pause nothing old is used", function()
  local ingress, ngx = fresh(canaries({ names = { { address = "next.example.com", port = 7 } } }))
  require("resolver").resolve = function()
    ngx.time = ngx.time + 1
    return { addresses = { "\10\0\0\9" }, ttl = 30 }
  end
  same(visit(ingress, ngx), "10.0.0.9:7")

  local backends = canaries({ names = { { address = "next.example.com", port = 7 } } })
  ingress, ngx = fresh(backends)
  require("resolver").resolve = function()
    ngx.time = ngx.time + 1
    backends.shop_stable_80.endpoints = { { address = "10.0.0.4", port = 8080 } }
    require("state").apply({ version = 1, generation = 2, backends = backends })
    return nil, "no such name"
  end
  same(visit(ingress, ngx), "10.0.0.4:8080")
end)

spec("ingress: all tries of a request go where the first went", function()
  local ingress, ngx = fresh(canaries(endpoints("10.0.0.2", "10.0.0.3")))
  visit(ingress, ngx)
  ngx.time = ngx.time + 1
  ngx.failure = "failed"
  ngx.var.upstream_addr, ngx.var.upstream_connect_time = ngx.peer .. " : ", "- : "
  local other = ngx.peer == "10.0.0.2:8080" and "10.0.0.3:8080" or "10.0.0.2:8080"
  same(stand_in.call(ngx, ingress.balance), nil)
  same(ngx.peer, other)
end)

spec("ingress: a pattern that fails is logged, and the request stays", function()
  local backends = canaries(endpoints("10.0.0.2"))
  local alternative = backends.shop_stable_80.routes["web.example.com"]["/"][1]
  alternative.header, alternative.header_pattern = "X", "("
  local ingress, ngx = fresh(backends)
  same(visit(ingress, ngx, { http_x = "secret" }), "10.0.0.1:8080")
  same(ngx.logged, { "a header pattern of an alternative to backend shop_stable_80: it does not compile" })
  ngx.var.http_x = nil
  same(visit(ingress, ngx), "10.0.0.2:8080")
end)

spec("ingress: workers that will quit ask clients of HTTP/1 to use their connections no more", function()
  local ingress, ngx = fresh({ a = endpoints("10.0.0.1") })
  local state = require("state")
  local function said(version, upgrade)
    ngx.time, ngx.header = ngx.time + 1, {}
    ngx.var.backend, ngx.var.http_upgrade = "a", upgrade
    ngx.req = { http_version = function() return version end }
    same(stand_in.call(ngx, ingress.rewrite), nil)
    return ngx.header.Connection
  end
  same(said(1.1), nil)
  state.stay("another")
  same({ said(1.0), said(1.1) }, { "close", "close" })
  same({ said(2), said(1.1, "websocket") }, {})
  state.stay("hash") -- the other one was refused
  same(said(1.1), nil)
  state.stay("") -- nobody stays
  same(said(1.1), "close")
end)

-- request sends one request to the control socket.
local function request(ingress, ngx, method, path, text, in_file)
  local said
  ngx.var.uri, ngx.var.request_uri, ngx.status = path, path, nil
  local name
  if in_file then
    name = os.tmpname()
    local file = io.open(name, "w")
    file:write(text)
    file:close()
    text = nil
  end
  ngx.req = {
    get_method = function() return method end,
    read_body = function() end,
    get_body_data = function() return text end,
    get_body_file = function() return name end,
  }
  ngx.say = function(answer) said = answer end
  stand_in.call(ngx, ingress.control)
  if name then os.remove(name) end
  return ngx.status, cjson.decode(said)
end

spec("ingress: the control socket takes updates and says what is there", function()
  local ingress, ngx = fresh()
  local function post(text, in_file) return request(ingress, ngx, "POST", "/v1/state", text, in_file) end
  local status, answer = post('{"version":1,"generation":12345678901234,"backends":{"a":{"endpoints":[{"address":"::1","port":80}]}}}')
  same({ status, answer }, { 200, { generation = 12345678901234 } })
  status, answer = post('{"version":1,"generation":3}')
  same({ status, answer.generation, answer.reset }, { 409, 12345678901234 })
  assert(answer.error)
  for _, text in ipairs({ "", "{", "7", '{"version":2}' }) do
    status, answer = post(text)
    same(status, 400, text)
    assert(answer.error)
  end
  same({ post('{"version":1,"generation":12345678901235}', true) }, { 200, { generation = 12345678901235 } })
  ngx.time = ngx.time + 1
  same({ request(ingress, ngx, "GET", "/v1/status") }, { 200, {
    version = 1, generation = 12345678901235, backends = 1, workers_wanted = 2,
    workers = { { id = 0, pid = 77, configuration = "hash" } },
  } })
  same({ request(ingress, ngx, "GET", "/v1/backends/a") }, { 200, {
    generation = 12345678901234, endpoints = { { address = "::1", port = 80 } },
  } })
  same({ request(ingress, ngx, "POST", "/v1/staying", '{"configuration":""}') }, { 200, {} })
  same((request(ingress, ngx, "POST", "/v1/staying", '{"configuration":7}')), 400)
  same((request(ingress, ngx, "GET", "/v1/backends/b")), 404)
  same((request(ingress, ngx, "GET", "/v1/certificates/x")), 404)
  same((request(ingress, ngx, "GET", "/v1/state")), 405)
  same((request(ingress, ngx, "POST", "/v1/status")), 405)
end)

spec("ingress: a full dictionary is told as such", function()
  local ingress, ngx = fresh(nil, { room = 600 })
  local many = {}
  for i = 1, 50 do many["b" .. i] = endpoints("10.0.0.1") end
  local status, answer = request(ingress, ngx, "POST", "/v1/state", cjson.encode({ version = 1, generation = 1, backends = many }))
  same({ status, answer.generation, answer.reset }, { 507, 1, true })
end)
