-- sessions_spec.lua: requests that are not all alike, from a request's variables to the peer and the cookie.

local stand_in = require("stand_in")

local ID, NEXT = ("01"):rep(16), ("02"):rep(16)

local ngx, ingress, generation

-- start makes a worker, of a new NGINX unless shared has the dictionaries of one.
local function start(shared)
  ngx = stand_in.fresh({ shared = shared })
  ingress = require("ingress")
  ingress.init("/nonexistent")
  ingress.follow_cost()
  ingress.init_worker("hash")
end

local function push(backends)
  generation = (generation or 0) + 1
  local status, problem = require("state").apply({ version = 1, generation = generation, backends = backends })
  same(status, nil, problem)
  ngx.time = ngx.time + 0.001
end

local function endpoints(...)
  local list = {}
  for i, text in ipairs({ ... }) do
    local ip = text:gsub("%*$", "")
    list[i] = { address = ip, port = 80, sessions_only = ip ~= text or nil }
  end
  return list
end

local function sticky(change, ...)
  local affinity = { cookie = { name = "route" }, ingresses = { "shop/web" }, key = "secret", id = ID, former_id = "former" }
  for name, value in pairs(change or {}) do affinity[name] = value end
  return { endpoints = endpoints(...), affinity = affinity }
end

-- visit sends a request. It gives the peer, or the status, and the cookie that is set.
local function visit(cookie, variables)
  ngx.request, ngx.header, ngx.failure, ngx.time = ngx.request + 1, {}, nil, ngx.time + 0.001
  for name in pairs(ngx.var) do ngx.var[name] = nil end
  local var = ngx.var
  var.backend, var.namespace, var.ingress_name, var.location_path, var.cookie_route = "shop_web_80", "shop", "web", "/", cookie
  var.server_name = "web.example.com"
  for name, value in pairs(variables or {}) do var[name] = value end
  local status = stand_in.call(ngx, ingress.rewrite) or stand_in.call(ngx, ingress.balance)
  return status or ngx.peer, ngx.header["Set-Cookie"] and ngx.header["Set-Cookie"][1]:match("^route=([^;]*)")
end

-- again tries the present request on another peer. change is as NGINX says how the last try went.
local function again(addresses, change)
  change = change or {}
  ngx.failure = "failed"
  ngx.var.upstream_addr = addresses .. " : "
  ngx.var.upstream_connect_time = (change.connect_times or "-") .. " : "
  ngx.var.upstream_bytes_received = "0 : "
  local status = stand_in.call(ngx, ingress.balance)
  return status or ngx.peer, ngx.header["Set-Cookie"] and ngx.header["Set-Cookie"][1]:match("^route=([^;]*)")
end

-- session is a cookie with the peer that it names.
local function session()
  local peer, cookie = visit()
  return cookie, peer
end

spec("sessions: a cookie names a peer, for every worker and after a restart", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1", "10.0.0.2", "10.0.0.3") })
  local shared, peers = ngx.shared, {}
  for _ = 1, 9 do
    local cookie, peer = session()
    assert(not cookie:find("10.0", 1, true), cookie)
    peers[cookie] = peer
  end
  for _, dictionaries in ipairs({ shared, shared, false }) do
    start(dictionaries or nil)
    if not dictionaries then push({ shop_web_80 = sticky(nil, "10.0.0.3", "10.0.0.4", "10.0.0.2", "10.0.0.1") }) end
    for cookie, peer in pairs(peers) do same({ visit(cookie) }, { peer }) end
  end
end)

spec("sessions: when its peer is gone a client gets another, and a new cookie", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1") })
  local cookie = session()
  push({ shop_web_80 = sticky(nil, "10.0.0.2", "10.0.0.3") })
  local peer, fresh = visit(cookie)
  assert(fresh and fresh ~= cookie)
  same(visit(fresh), peer)
end)

spec("sessions: a peer that ends serves the sessions it has, and no others", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1") })
  local cookie = session()
  push({ shop_web_80 = sticky(nil, "10.0.0.1*", "10.0.0.2") })
  for _ = 1, 20 do
    same({ visit(cookie) }, { "10.0.0.1:80" })
    same(visit(), "10.0.0.2:80")
    same(visit("garbage"), "10.0.0.2:80")
  end
  visit()
  same(ngx.tries, nil, "further tries of a request without a session")
  visit(cookie)
  same(ngx.tries, 1, "tries beyond the ending peer")
  local peer, fresh = again("10.0.0.1:80")
  same({ peer, fresh }, { "10.0.0.2:80" })
  same(visit(cookie), "10.0.0.2:80", "while it refuses connections")
  ngx.time = ngx.time + 11
  same(visit(cookie), "10.0.0.1:80", "when that may be over")
end)

spec("sessions: a cookie of somebody else is kept, and its hash decides", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1", "10.0.0.2", "10.0.0.3") })
  local seen = {}
  for i = 1, 50 do
    local peer = visit("foreign" .. i)
    seen[peer] = true
    for _ = 1, 3 do same({ visit("foreign" .. i) }, { peer }) end
  end
  same(seen, { ["10.0.0.1:80"] = true, ["10.0.0.2:80"] = true, ["10.0.0.3:80"] = true })
  push({ shop_web_80 = sticky({ persistent = true }, "10.0.0.1", "10.0.0.2", "10.0.0.3") })
  local peer, cookie = visit("foreign1")
  same({ visit(cookie) }, { peer })
end)

spec("sessions: cookies are given out on the paths of the Ingresses that ask for them", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1", "10.0.0.2") })
  same({ select(2, visit(nil, { ingress_name = "other" })) }, {})
  local cookie, peer = session()
  for _ = 1, 5 do same({ visit(cookie, { ingress_name = "other" }) }, { peer }) end
end)

spec("sessions: a failure is tried elsewhere; the cookie stays, or changes if that is asked for", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1", "10.0.0.2") })
  local cookie, peer = session()
  visit(cookie)
  local other, fresh = again(peer)
  assert(other ~= peer)
  same(fresh, nil)
  ngx.time = ngx.time + 11
  same({ visit(cookie) }, { peer }, "when the peer may be back")

  push({ shop_web_80 = sticky({ change_on_failure = true }, "10.0.0.1", "10.0.0.2") })
  visit(cookie)
  other, fresh = again(peer)
  assert(other ~= peer)
  same({ visit(fresh) }, { other })
end)

spec("sessions: a new client whose first peer fails is told of the second", function()
  start()
  push({ shop_web_80 = sticky(nil, "10.0.0.1", "10.0.0.2") })
  local peer, first = visit()
  local other, second = again(peer)
  assert(other ~= peer and first ~= second)
  same(#ngx.header["Set-Cookie"], 1)
  same(visit(second), other)
end)

spec("sessions: a kept-alive connection that was just closed costs no session", function()
  start()
  push({ shop_web_80 = sticky({ change_on_failure = true }, "10.0.0.1", "10.0.0.2") })
  local cookie, peer = session()
  visit(cookie)
  same({ again(peer, { connect_times = "0.000" }) }, { peer })
  assert(again(peer .. ", " .. peer, { connect_times = "0.000, 0.000" }) ~= peer)
end)

spec("sessions: a client stays with the side of a canary that it is on", function()
  start()
  local main = sticky(nil, "10.0.0.1")
  main.routes = { ["web.example.com"] = { ["/"] = { { backend = "shop_next_80", header = "X-Canary" } } } }
  push({ shop_web_80 = main, shop_next_80 = sticky({ id = NEXT, key = "other" }, "10.0.0.2") })
  local function canary(cookie, header) return visit(cookie, { http_x_canary = header }) end
  local peer, cookie = canary(nil, "always")
  same(peer, "10.0.0.2:80")
  same({ canary(cookie, "never") }, { "10.0.0.2:80" })
  local stable = session()
  same({ canary(stable, "always") }, { "10.0.0.1:80" })
  same({ canary("1.2.3|former", "always") }, { "10.0.0.1:80" })
  same(canary("garbage", "always"), "10.0.0.2:80")
  push({ shop_next_80 = {} })
  local kept, fresh = canary(cookie, "always")
  same(kept, "10.0.0.1:80", "without canary pods")
  same({ visit(fresh) }, { "10.0.0.1:80" })
end)

spec("sessions: what is hashed comes to one peer, for every worker, and elsewhere when that fails", function()
  start()
  push({ shop_web_80 = { endpoints = endpoints("10.0.0.1", "10.0.0.2", "10.0.0.3"), hash_by = { key = { "x-", "arg_a" } } } })
  local shared, owner = ngx.shared, {}
  for i = 1, 30 do owner[i] = visit(nil, { arg_a = tostring(i) }) end
  start(shared)
  for i = 1, 30 do same(visit(nil, { arg_a = tostring(i) }), owner[i]) end
  visit(nil, { arg_a = "1" })
  local second = again(owner[1])
  assert(second ~= owner[1])
  for _ = 1, 5 do same(visit(nil, { arg_a = "1" }), second, "while the peer refuses connections") end
  ngx.time = ngx.time + 11
  for i = 2, 30 do
    if owner[i] ~= owner[1] then same(visit(nil, { arg_a = tostring(i) }), owner[i], "during the trial") end
  end
  same(visit(nil, { arg_a = "1" }), owner[1], "the trial")
end)

spec("sessions: ewma counts what peers work on, and forgets it when that ends", function()
  start()
  push({ shop_web_80 = { endpoints = endpoints("10.0.0.1", "10.0.0.2"), balance = "ewma" } })
  local first, number = visit(), ngx.request
  local second = visit()
  assert(first ~= second, "both requests go to " .. first)
  ngx.request = number
  ngx.var.upstream_header_time, ngx.var.upstream_status = "0.500", "200"
  stand_in.call(ngx, ingress.log)
  ngx.request = number + 1
  ngx.var.upstream_header_time = "0.005"
  stand_in.call(ngx, ingress.log)
  ngx.request = number + 10
  for _ = 1, 20 do
    same(visit(), second)
    ngx.var.upstream_header_time, ngx.var.upstream_status = "0.005", "200"
    stand_in.call(ngx, ingress.log)
  end
  visit()
  same(again(second), first)
  stand_in.call(ngx, ingress.log)
end)
