-- memory_spec.lua: how much a worker keeps of what it was asked for, and what it does not forget.

local stand_in = require("stand_in")

local HOSTS = 8000 -- more than a worker keeps
local TOP = 15 * 2 ^ 20 -- bytes of Lua that may come of any number of hosts: both halves of routes.lua and of state.lua

-- names are a host's: its own, and those of its two backends.
local function names(n) return ("host-%d.example.com"):format(n), ("team-root-%d-80"):format(n), ("team-api-%d-80"):format(n) end

local function backend(n, fields)
  local out = {}
  for i = 1, 2 do out[i] = { address = ("10.%d.%d.%d"):format(i, n / 250, n % 250 + 1), port = 8080 } end
  out = { endpoints = out }
  for name, value in pairs(fields or {}) do out[name] = value end
  return out
end

local function route(n, path, name)
  return {
    namespace = "team", ingress = "web-" .. n, service = name, port = "80", path = path, backend = name, limit = 1048576,
    too_large = "@413", unavailable = "@503", shape = "@proxy",
  }
end

-- fresh has so many hosts, the first with these fields in the entries of its backends.
local function fresh(hosts, fields)
  local ngx = stand_in.fresh()
  local ingress = require("ingress")
  ingress.init("/nonexistent", { "@proxy", "@413", "@503" })
  ingress.follow_cost()
  ingress.init_worker("hash")
  for first = 1, hosts, 1000 do
    local document = { version = 1, generation = first, backends = {}, routes = {} }
    for n = first, math.min(hosts, first + 999) do
      local name, root, api = names(n)
      document.backends[root], document.backends[api] = backend(n, n == 1 and fields), backend(n)
      document.routes[name] = {
        exact = { ["/api"] = 1 }, prefix = { ["/"] = 0, ["/api/"] = 1 }, routes = { route(n, "/", root), route(n, "/api", api) },
      }
    end
    same({ require("state").apply(document) }, {})
  end
  ngx.time = ngx.time + 1
  return ingress, ngx
end

local VARIABLES = { "namespace", "ingress_name", "service_name", "service_port", "location_path", "backend", "proxy_alternative_upstream_name" }

-- ask has a host answer, and gives the peer.
local function ask(ingress, ngx, n, path)
  for _, name in ipairs(VARIABLES) do ngx.var[name] = "" end
  ngx.var.host, ngx.var.uri = names(n), path
  ngx.request = ngx.request + 1
  same({ stand_in.call(ngx, ingress.route), ngx.jumped }, { nil, "@proxy" })
  same(stand_in.call(ngx, ingress.balance), nil)
  return ngx.peer
end

local function ask_all(ingress, ngx, first, last)
  for n = first, last do
    ask(ingress, ngx, n, "/")
    ask(ingress, ngx, n, "/api")
  end
end

local function bytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count") * 1024
end

spec("memory: a worker keeps a bounded part of the hosts that it was asked for, in the room that it reckons with", function()
  local ingress, ngx = fresh(HOSTS)
  local none = bytes()
  ask_all(ingress, ngx, 1, 500)
  local few = bytes() - none
  ask_all(ingress, ngx, 501, HOSTS)
  local all = bytes() - none
  assert(all < TOP, all)
  assert(all < few * 7, ("%d hosts take %d bytes, 500 take %d"):format(HOSTS, all, few))

  local reckoned = 0
  for n = 1, 500 do
    local _, root, api = names(n)
    reckoned = reckoned + require("state").backend(root).size + require("state").backend(api).size
  end
  assert(few > reckoned * 0.8 and few < reckoned * 2, ("500 hosts take %d bytes, their backends were reckoned with %d"):format(few, reckoned))
end)

-- refuse has the first try of a request for the first host fail, and gives the peer that refused it.
local function refuse(ingress, ngx)
  local peer = ask(ingress, ngx, 1, "/")
  ngx.failure = "failed"
  ngx.var.upstream_addr, ngx.var.upstream_connect_time, ngx.var.upstream_bytes_received = peer .. " : ", "- : ", "0 : "
  same(stand_in.call(ngx, ingress.balance), nil)
  assert(ngx.peer ~= peer)
  ngx.failure = nil
  return peer
end

spec("memory: however much else is asked for, a peer that was set aside stays so for its time", function()
  local ingress, ngx = fresh(HOSTS)
  local peer = refuse(ingress, ngx)
  ask_all(ingress, ngx, 2, HOSTS)
  for _ = 1, 10 do assert(ask(ingress, ngx, 1, "/") ~= peer) end
end)

spec("memory: however much else is asked for, a peer that works on requests is known to", function()
  local ingress, ngx = fresh(HOSTS, { balance = "ewma" })
  local busy = ask(ingress, ngx, 1, "/") -- and never gets an answer
  ask_all(ingress, ngx, 2, HOSTS)
  for _ = 1, 10 do
    assert(ask(ingress, ngx, 1, "/") ~= busy)
    ngx.var.upstream_response_time, ngx.var.upstream_status = "0.000", "200"
    ingress.log()
  end
end)
