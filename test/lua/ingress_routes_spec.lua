-- ingress_routes_spec.lua: the entry points in dynamic mode, from a request to the shape it is sent to and what NGINX is told.

local cjson = require("cjson")
local stand_in = require("stand_in")

local SHAPES = { "@proxy", "@301", "@302", "@400", "@413", "@500", "@503" }

-- The request to begin with: what NGINX sets before route runs. $uri is the path.
local EMPTY = {
  sluice_place = "", proxy_upstream_name = "-", path_type = "", backend = "",
  proxy_alternative_upstream_name = "", redirect_target = "", routed_server_name = "", subdomain = "", capture_1 = "",
}

local function endpoints(address) return { endpoints = { { address = address, port = 80 } } } end

local function fresh(routes, names)
  local ngx = stand_in.fresh()
  local ingress = require("ingress")
  ingress.init("/nonexistent", SHAPES)
  ingress.init_worker("hash")
  local status, problem = require("state").apply({
    version = 1, generation = 1, backends = { a = endpoints("10.0.0.1"), b = endpoints("10.0.0.2"), empty = {} }, routes = routes, names = names,
  })
  same(status, nil, problem)
  ngx.req = {
    set_uri = function(path, jump, binary)
      same({ jump, binary }, { false, true })
      ngx.var.uri = path
    end,
    clear_header = function(name) ngx.cleared = name end,
  }
  return ingress, ngx
end

-- What a request may be told, as logs and pods see it.
local TOLD = {
  "namespace", "ingress_name", "service_name", "service_port", "location_path", "path_type", "backend", "proxy_alternative_upstream_name",
  "redirect_target", "routed_server_name", "subdomain", "capture_1",
}

-- send sends a request to route, of a server block. It gives the shape it is sent to, or the status, and the variables that are
-- not empty.
local function send(ingress, ngx, host, path, variables, block)
  for name in pairs(ngx.var) do ngx.var[name] = nil end
  for name, value in pairs(EMPTY) do ngx.var[name] = value end
  ngx.var.host, ngx.var.uri = host, path
  for name, value in pairs(variables or {}) do ngx.var[name] = value end
  local status = stand_in.call(ngx, ingress.route, block or "")
  local told = {}
  for _, name in ipairs(TOLD) do
    if ngx.var[name] ~= "" then told[name] = ngx.var[name] end
  end
  return status or ngx.jumped, told
end

-- one is routes with one route for everything.
local function one(fields)
  local route = { shape = "@proxy" }
  for name, value in pairs(fields) do route[name] = value end
  return { a = { prefix = { ["/"] = 0 }, routes = { route } } }
end

-- through sends a request through route and balance. It gives the peer, or the status or another shape.
local function through(ingress, ngx, ...)
  local jump = send(ingress, ngx, ...)
  if jump ~= "@proxy" then return jump end
  return stand_in.call(ngx, ingress.balance) or ngx.peer
end

spec("ingress: a request is told whose it is, and goes to the shape of its route", function()
  local ingress, ngx = fresh({ a = {
    server_name = "a.example.com", exact = { ["/x"] = 0 }, prefix = { ["/"] = 1 }, routes = {
      { namespace = "n", ingress = "i", service = "s", port = "80", path = "/x", is_exact_twin = true, backend = "a", shape = "@proxy" },
      { shape = "@302" },
    },
  } })
  same({ send(ingress, ngx, "a", "/x") }, { "@proxy", {
    namespace = "n", ingress_name = "i", service_name = "s", service_port = "80", location_path = "/x", path_type = "Exact", backend = "a",
    routed_server_name = "a.example.com",
  } })
  same({ send(ingress, ngx, "a", "/y") }, { "@302", { routed_server_name = "a.example.com" } })
end)

spec("ingress: logs have the name of the backend that a route leads to", function()
  local ingress, ngx = fresh({ a = { exact = { ["/x"] = 0, ["/y"] = 1, ["/z"] = 2 }, routes = {
    { namespace = "n", service = "s", port = "80", path = "/x", backend = "a", shape = "@proxy" },
    { path = "/y", backend = "upstream-default-backend", shape = "@proxy" },
    { path = "/z", shape = "@302" },
  } } })
  for path, want in pairs({ ["/x"] = "n-s-80", ["/y"] = "upstream-default-backend", ["/z"] = "-", ["/none"] = "-" }) do
    send(ingress, ngx, "a", path)
    same(ngx.var.proxy_upstream_name, want, path)
  end
end)

spec("ingress: a place is that of the host's own name, whatever was asked for and whatever its block is called", function()
  local routes = one({ namespace = "n", ingress = "i", service = "s", port = "80", path = "/p\tq" })
  routes.b, routes["*.example.com"] = { same_as = "a" }, routes.a
  routes["0123456789abcdef/c"] = routes.a
  local ingress, ngx = fresh(routes)
  local function place(...)
    send(ingress, ngx, ...)
    return ngx.var.sluice_place
  end
  local fields = "\tn\ti\ts\t80\t/p\tq"
  same({ place("a", "/"), place("b", "/"), place("x.example.com", "/") }, { "\ta" .. fields, "\ta" .. fields, "\t*.example.com" .. fields })
  same({ place("c", "/", nil, "0123456789abcdef"), place("nobody", "/") }, { "\tc" .. fields, "" })
end)

spec("ingress: without an entry, or one whose shapes are here, it is 503; without a route 404", function()
  local ingress, ngx = fresh({ a = { routes = {} }, b = { all = { shape = "@new" } } })
  same({ send(ingress, ngx, "nobody", "/") }, { 503, {} })
  same({ send(ingress, ngx, "b", "/") }, { 503, {} })
  same({ send(ingress, ngx, "a", "/") }, { 404, {} })
end)

spec("ingress: jumps set their target and nothing else", function()
  local ingress, ngx = fresh({
    a = {
      root = { shape = "@302", target = { "", "scheme", "://here" } }, prefix = { ["/x/"] = 0, ["/"] = 1 }, routes = {
        { path = "/x/", slash = { shape = "@301", target = { "/x/", "is_args", "", "args" } }, shape = "@proxy" }, { path = "/", shape = "@proxy" },
      },
    },
    b = { all = { shape = "@301" } },
  })
  local request = { scheme = "https", is_args = "?", args = "q" }
  same({ send(ingress, ngx, "a", "/", request) }, { "@302", { redirect_target = "https://here" } })
  same({ send(ingress, ngx, "a", "/x", request) }, { "@301", { redirect_target = "/x/?q" } })
  same({ send(ingress, ngx, "a", "/y", request) }, { "@proxy", { location_path = "/" } })
  same({ send(ingress, ngx, "b", "/", request) }, { "@301", {} })
end)

spec("ingress: a redirect of a route says whose it is", function()
  local ingress, ngx = fresh(one({ namespace = "n", redirect = { shape = "@302", target = { "/", "one" }, pattern = "^/old/(?<one>.*)" } }))
  same({ send(ingress, ngx, "a", "/old/é") }, { "@302", { namespace = "n", redirect_target = "/%C3%A9" } })
  same({ send(ingress, ngx, "a", "/new") }, { "@proxy", { namespace = "n" } })
end)

spec("ingress: the first label is told where the wildcard of an Ingress stands for it", function()
  local routes = one({})
  routes["*.example.com"], routes["~z"], routes["**.deep"] = routes.a, routes.a, { same_as = "a" }
  local ingress, ngx = fresh(routes, { { key = "~z", host = "y" } })
  same({ send(ingress, ngx, "w.example.com", "/") }, { "@proxy", { subdomain = "w" } })
  same({ send(ingress, ngx, "z.q", "/") }, { "@proxy", {} })
  same({ send(ingress, ngx, "w.deep", "/") }, { "@proxy", {} })
end)

spec("ingress: a body that says it is too large is refused, whoever it is for", function()
  local ingress, ngx = fresh(one({ namespace = "n", limit = 10, too_large = "@413" }))
  for length, want in pairs({ ["10"] = "@proxy", ["0"] = "@proxy", ["11"] = "@413", ["99999999999999"] = "@413" }) do
    ngx.cleared = nil
    same({ send(ingress, ngx, "a", "/", { http_content_length = length }) }, { want, { namespace = want == "@proxy" and "n" or nil } })
    same(ngx.cleared, want == "@413" and "Expect" or nil)
  end
  same(send(ingress, ngx, "a", "/"), "@proxy")
end)

spec("ingress: a rewrite replaces path, arguments and groups", function()
  local ingress, ngx = fresh(one({ rewrite = {
    pattern = "^/x(?<capture_1>/?)(?<rest>.*)", path = { "/y/", "rest" }, args = { "from=", "uri" }, exports = { "capture_1" },
  } }))
  same({ send(ingress, ngx, "a", "/x/a b", { args = "q" }) }, { "@proxy", { capture_1 = "/" } })
  same({ ngx.var.uri, ngx.var.args }, { "/y/a b", "from=/x/a b&q" })
  same({ send(ingress, ngx, "a", "/x", { args = "q" }) }, { "@proxy", {} })
  same({ ngx.var.uri, ngx.var.args }, { "/y/", "from=/x&q" })
  same({ send(ingress, ngx, "a", "/z", { args = "q" }) }, { "@proxy", {} })
  same({ ngx.var.uri, ngx.var.args }, { "/z", "q" })

  ingress, ngx = fresh(one({ rewrite = { pattern = "^/x(?<rest>.*)", path = { "", "rest" }, refused = "@400", empty = "@500" } }))
  same(send(ingress, ngx, "a", "/x/y", { args = "q" }), "@proxy")
  same({ ngx.var.uri, ngx.var.args }, { "/y", "q" })
  same(send(ingress, ngx, "a", "/x"), "@500")
  same(ngx.logged, { "the rewritten path is empty" })
end)

spec("ingress: a pattern that cannot be searched for is 500, and is logged without its text", function()
  local patterns = { a = { patterns = { { text = "(", route = 0 } }, routes = { { shape = "@proxy" } } } }
  for _, routes in ipairs({
    patterns, one({ rewrite = { pattern = "(", path = { "/" } } }), one({ redirect = { shape = "@302", pattern = "(" } }),
  }) do
    local ingress, ngx = fresh(routes)
    same(send(ingress, ngx, "a", "/"), 500)
    same(ngx.logged, { "a pattern of the routes: it does not compile" })
  end
  local ingress, ngx = fresh(one({}), { { key = "~(", host = "" } })
  same(send(ingress, ngx, "b", "/"), 500)
end)

spec("ingress: without endpoints a request goes where it is told so, and without an entry NGINX is on its own", function()
  local ingress, ngx = fresh(one({ backend = "empty", unavailable = "@503" }))
  same(through(ingress, ngx, "a", "/"), "@503")
  ingress, ngx = fresh(one({ backend = "empty" }))
  same(through(ingress, ngx, "a", "/"), -3, "nobody has asked for more")
  ingress, ngx = fresh(one({ backend = "gone", unavailable = "@503" }))
  same(through(ingress, ngx, "a", "/"), nil)
  same(ngx.var.backend, "gone")
  ingress, ngx = fresh(one({ backend = "a", unavailable = "@503" }))
  same(through(ingress, ngx, "a", "/"), "10.0.0.1:80")
end)

spec("ingress: a shape that may answer by itself asks late whether there are endpoints", function()
  local ingress, ngx = fresh(one({ backend = "empty", late = true }))
  same(send(ingress, ngx, "a", "/"), "@proxy")
  same(stand_in.call(ngx, ingress.look), 503)
  ingress, ngx = fresh(one({ backend = "a", late = true }))
  same(send(ingress, ngx, "a", "/"), "@proxy")
  same(stand_in.call(ngx, ingress.look), nil)
end)

local function canary(alternative)
  local routes = one({ backend = "a", unavailable = "@503", alternatives = { { backend = alternative, weight = 1, weight_total = 1 } } })
  routes.plain = { prefix = { ["/"] = 0 }, routes = { { backend = "a", unavailable = "@503", shape = "@proxy" } } }
  return routes
end

spec("ingress: alternatives of a route take its requests, and no others", function()
  local ingress, ngx = fresh(canary("b"))
  same(through(ingress, ngx, "a", "/"), "10.0.0.2:80")
  same({ ngx.var.backend, ngx.var.proxy_alternative_upstream_name }, { "b", "b" })
  same(through(ingress, ngx, "plain", "/"), "10.0.0.1:80")
  same(ngx.var.proxy_alternative_upstream_name, "")
  ingress, ngx = fresh(canary("empty"))
  same(through(ingress, ngx, "a", "/"), "10.0.0.1:80")
end)

spec("ingress: an internal redirect is routed anew", function()
  local ingress, ngx = fresh(canary("b"))
  same(through(ingress, ngx, "a", "/"), "10.0.0.2:80")
  same(through(ingress, ngx, "plain", "/"), "10.0.0.1:80", "to another route, in the same request")
  same(through(ingress, ngx, "a", "/"), "10.0.0.2:80", "and back")
end)

spec("ingress: a location that answers for another goes where it says", function()
  local ingress, ngx = fresh(canary("b"))
  same(through(ingress, ngx, "a", "/"), "10.0.0.2:80")
  same(stand_in.call(ngx, ingress.rewrite), nil, "error_page, with the backend that failed")
  same(stand_in.call(ngx, ingress.balance) or ngx.peer, "10.0.0.2:80")
  ngx.var.backend = "empty" -- one that the location names itself
  same(stand_in.call(ngx, ingress.rewrite), 503)
end)

spec("ingress: the control socket shows an entry by its key, however that is written", function()
  local routes = one({})
  routes["~^/../a+//?\\."] = routes.a
  local ingress, ngx = fresh(routes)
  local function get(escaped)
    local said
    ngx.var.uri, ngx.var.request_uri, ngx.status = "/tidied/up", "/v1/routes/" .. escaped, nil
    ngx.req.get_method = function() return "GET" end
    ngx.say = function(answer) said = answer end
    stand_in.call(ngx, ingress.control)
    return ngx.status, cjson.decode(said)
  end
  local want = { generation = 1, prefix = { ["/"] = 0 }, routes = { { shape = "@proxy" } } }
  same({ get("a") }, { 200, want })
  same({ get("a?q") }, { 200, want })
  same({ get("~%5E%2F..%2fa+//%3F%5C.") }, { 200, want })
  same((get("b")), 404)
end)

spec("routes: a server block with settings of its own has keys of its own, whatever hosts of others look like", function()
  local own = "0123456789abcdef/"
  local routes = one({ path = "/plain" })
  routes[own .. "a"] = one({ path = "/own" }).a
  routes[own .. "**.deep.org"] = one({ path = "/deep" }).a
  routes[own .. "~^re-"] = one({ path = "/re" }).a
  routes["~^re"] = one({ path = "/plain-re" }).a
  routes[own .. "same"] = { same_as = own .. "a" }
  local ingress, ngx = fresh(routes, { { key = "~^re", host = "a" }, { key = "~^re-", host = "b" } })
  local function path(name, block)
    local answer, told = send(ingress, ngx, name, "/", nil, block)
    return answer == "@proxy" and told.location_path or answer
  end
  local here = "0123456789abcdef"
  same({ path("a"), path("a", ""), path("a", here), path("same", here) }, { "/plain", "/plain", "/own", "/own" })
  same({ path("x.y.deep.org", here), path("x.y.deep.org"), path("same"), path("other", here) }, { "/deep", 503, 503, 503 })
  same({ path("re-1"), path("re-1", here) }, { "/plain-re", "/re" })
end)
