-- routes_spec.lua: what documents may say of routes, what is stored of it, and what workers see.

local cjson = require("cjson")
local stand_in = require("stand_in")

local function fresh(shapes, options)
  local ngx = stand_in.fresh(options)
  local state, routes = require("state"), require("routes")
  state.init("/nonexistent")
  routes.init(shapes or { "@a" })
  return state, routes, ngx
end

local function tick() ngx.time = ngx.time + 1 end

-- host is an entry with one route.
local function host(fields)
  local route = { shape = "@a" }
  for name, value in pairs(fields or {}) do route[name] = value end
  return { prefix = { ["/"] = 0 }, routes = { route } }
end

local function apply(state, generation, fields)
  local document = { version = 1, generation = generation }
  for name, value in pairs(fields) do document[name] = value end
  local status, problem = state.apply(document)
  tick()
  return status, problem
end

-- path_of is $location_path of a route.
local function path_of(route) return route.place:match("[^\t]*$") end

-- path is $location_path that requests for / get from the entry of a key, or the entry if there is none.
local function path(routes, key)
  local found = routes.host(key)
  return found and path_of(found.prefix["/"]) or found
end

spec("routes: entries come, change and go", function()
  local state, routes = fresh()
  same(path(routes, "a"), nil)
  same(apply(state, 1, { routes = { a = host({ path = "/1" }), b = host({ path = "/2" }) } }), nil)
  same({ path(routes, "a"), path(routes, "b"), path(routes, "c") }, { "/1", "/2" })
  same(apply(state, 2, { routes = { a = host({ path = "/3" }) } }), nil)
  same({ path(routes, "a"), path(routes, "b") }, { "/3", "/2" })
  same(apply(state, 3, { removed = { routes = { "a", "never" } } }), nil)
  same({ path(routes, "a"), path(routes, "b") }, { nil, "/2" })
  same(apply(state, 4, { routes = { a = host({ path = "/4" }) }, removed = { routes = { "a" } } }), nil)
  same(path(routes, "a"), "/4")
end)

spec("routes: a reset drops what it does not name, names too", function()
  local state, routes, ngx = fresh()
  apply(state, 1, { routes = { a = host(), ["**.long.example.com"] = host() }, names = { { key = "~a", host = "a" } } })
  same({ #routes.names(), routes.names().longest_open }, { 1, #"**.long.example.com" })
  apply(state, 2, { reset = true, routes = { b = host(), ["**.c"] = host() } })
  same({ path(routes, "a"), path(routes, "**.long.example.com") }, {})
  same({ #routes.names(), routes.names().longest_open }, { 0, #"**.c" })
  assert(routes.host("b"))
  apply(state, 3, { reset = true })
  for _, key in ipairs(ngx.shared.sluice_state:get_keys(0)) do assert(not key:find("route"), key) end
end)

spec("routes: only what changed is read again", function()
  local state, routes, ngx = fresh()
  apply(state, 1, { routes = { a = host(), b = host() }, names = { { key = "~a", host = "a" } } })
  local a, b, names = routes.host("a"), routes.host("b"), routes.names()
  apply(state, 2, { routes = { a = host(), b = host({ path = "/b" }) }, names = { { key = "~a", host = "a" } } })
  assert(rawequal(routes.host("a"), a), "an entry that is the same")
  assert(not rawequal(routes.host("b"), b))
  assert(rawequal(routes.names(), names))
  apply(state, 3, { names = { { key = "~b", host = "a" } } })
  same(routes.names()[1].expression, "b")

  local dict, reads = ngx.shared.sluice_state, 0
  local get = dict.get
  function dict:get(key)
    reads = reads + 1
    return get(self, key)
  end
  tick()
  for _ = 1, 10 do routes.host("b") end
  same(reads, 3, "the generation, who stays, and the entry's generation")
  reads = 0
  tick()
  for _ = 1, 10 do routes.host("b") end
  same(reads, 2)
end)

spec("routes: an entry that needs shapes this worker lacks leaves the one before in force", function()
  local state, routes = fresh({ "@a", "@b" })
  apply(state, 1, { routes = { a = host({ path = "/1" }), n = host({ shape = "@new" }) } })
  same({ path(routes, "a"), path(routes, "n") }, { "/1", false })
  apply(state, 2, { routes = { a = host({ path = "/2", denied = "@new" }) } })
  same(path(routes, "a"), "/1")
  apply(state, 3, {})
  same({ path(routes, "a"), path(routes, "n") }, { "/1", false })
  apply(state, 4, { routes = { a = host({ path = "/3", denied = "@b" }) } })
  same(path(routes, "a"), "/3")
end)

spec("routes: an entry that is the same as another is that, but not over two", function()
  local state, routes = fresh()
  apply(state, 1, { routes = { a = host({ path = "/a" }), b = { same_as = "a" }, c = { same_as = "b" }, d = { same_as = "gone" } } })
  same({ path(routes, "b"), path(routes, "c"), path(routes, "d") }, { "/a", false })
  apply(state, 2, { routes = { a = host({ path = "/x" }) } })
  same(path(routes, "b"), "/x")
end)

spec("routes: names without an entry do not pile up, and the others are bounded by the bytes of their texts", function()
  local state, routes = fresh()
  collectgarbage()
  local before = collectgarbage("count")
  for i = 1, 20000 do same(routes.host("nobody" .. i), nil) end
  collectgarbage()
  assert(collectgarbage("count") - before < 200, "20,000 unknown names are kept")

  local large, hosts = {}, {}
  for i = 1, 500 do large[i] = { text = "^/" .. i .. ("x"):rep(1000), route = 0 } end
  for i = 1, 60 do hosts["h" .. i] = { patterns = large, routes = { { shape = "@a", path = "/" .. i } } } end
  apply(state, 1, { routes = hosts })
  local first = routes.host("h1")
  for i = 1, 60 do
    same(path_of(routes.host("h" .. i).patterns[1].route), "/" .. i)
    assert(rawequal(routes.host("h1"), first), "one in use is kept")
  end
  local second = routes.host("h2")
  collectgarbage()
  local texts = setmetatable({}, { __mode = "k" })
  for i = 3, 60 do texts[routes.host("h" .. i)] = true end
  collectgarbage()
  local kept = 0
  for _ in pairs(texts) do kept = kept + 1 end
  assert(kept < 40, kept .. " entries of half a megabyte are kept")
  assert(not rawequal(routes.host("h2"), second), "one not in use is forgotten")
end)

spec("routes: everything that documents may say is stored, and nothing else", function()
  local state, routes = fresh()
  local full = {
    server_name = "a", all = { shape = "@a", target = { "x", "host" } }, root = { shape = "@b" },
    exact = { ["/" .. ("a"):rep(4095)] = 0 }, prefix = { ["/"] = 0, ["/é/"] = 1 },
    routes = { {
      namespace = "n", ingress = "i", service = "s", port = "80", path = "/p", is_exact_twin = true, backend = "b",
      slash = { shape = "@c", target = { "/" } }, limit = 10, too_large = "@413", denied = "@503",
      redirect = { shape = "@d", target = { "", "one" }, pattern = "^/(?<one>.*)" }, in_clear = "@308",
      rewrite = { pattern = "^/", refused = "@400", empty = "@500", path = { "/" }, args = { "a=", "one" }, drop_args = true, exports = { "one" } },
      alternatives = { { backend = "c", header = "X", weight = 1, weight_total = 2 } }, shape = "@e",
    }, { redirect = { shape = "@d" }, limit = 0 } },
  }
  local text = cjson.encode(full)
  full.unknown, full.routes[1].unknown, full.all.unknown, full.routes[1].rewrite.unknown = 1, 1, 1, 1
  full.routes[1].alternatives[1].unknown, full.routes[1].port = 1, "80"
  same({ apply(state, 1, { routes = { [("k"):rep(4200)] = full } }) }, {})
  local want = cjson.decode(text)
  want.generation = 1
  want.routes[1].alternatives = { { backend = "c", name = "c", header_variable = "http_x", share = 0.5 } }
  want.routes[2].limit = nil
  same(routes.stored(("k"):rep(4200)), want)
  same(routes.stored("k"), nil)
end)

spec("routes: empty texts are as good as none", function()
  local state, routes = fresh()
  local empty = host({ namespace = "", denied = nil, backend = "", alternatives = {}, redirect = { shape = "@a", pattern = "" } })
  empty.server_name, empty.same_as, empty.exact = "", "", {}
  same({ apply(state, 1, { routes = { a = empty } }) }, {})
  same(routes.stored("a"), {
    generation = 1, exact = {}, prefix = { ["/"] = 0 }, routes = { { shape = "@a", redirect = { shape = "@a" } } },
  })
end)

spec("routes: a bad document changes nothing", function()
  local function with(fields) return { a = host(fields) } end
  local function entry(fields)
    fields.routes = fields.routes or { { shape = "@a" } }
    return { a = fields }
  end
  local long = ("a"):rep(4097)
  local jump = { shape = "@a" }
  local bad = {
    { routes = "x" }, { routes = cjson.null }, { routes = { "x" } }, { routes = { [""] = host() } }, { routes = { [("k"):rep(4201)] = host() } },
    { routes = { a = 1 } }, { routes = { a = { same_as = 1 } } }, { routes = { a = { same_as = "b", server_name = "x" } } },
    { routes = entry({ server_name = ("a"):rep(4201) }) }, { routes = entry({ all = {} }) }, { routes = entry({ all = "@a" }) },
    { routes = entry({ all = { shape = "a" } }) }, { routes = entry({ all = { shape = "@" } }) }, { routes = entry({ root = { shape = 1 } }) },
    { routes = entry({ root = { shape = "@a", target = "x" } }) }, { routes = entry({ root = { shape = "@a", target = {} } }) },
    { routes = entry({ root = { shape = "@a", target = { 1 } } }) }, { routes = entry({ root = { shape = "@a", target = { "a", "b c" } } }) },
    { routes = entry({ root = { shape = "@a", target = { "a", "" } } }) }, { routes = entry({ root = { shape = "@a", target = { long } } }) },
    { routes = entry({ exact = { a = 0 } }) }, { routes = entry({ exact = { ["/"] = 1 } }) }, { routes = entry({ exact = { ["/"] = -1 } }) },
    { routes = entry({ exact = { ["/"] = 0.5 } }) }, { routes = entry({ exact = { ["/"] = "0" } }) }, { routes = entry({ exact = { 0 } }) },
    { routes = entry({ exact = { ["/" .. ("a"):rep(4096)] = 0 } }) }, { routes = entry({ prefix = { ["/a"] = 0 } }) },
    { routes = entry({ prefix = { ["a/"] = 0 } }) }, { routes = entry({ prefix = { ["/a/"] = 1 } }) },
    { routes = entry({ patterns = { { text = "a", route = 1 } } }) }, { routes = entry({ patterns = { { text = "a" } } }) },
    { routes = entry({ patterns = { { text = "", route = 0 } } }) }, { routes = entry({ patterns = { { text = long, route = 0 } } }) },
    { routes = entry({ patterns = { a = { text = "a", route = 0 } } }) }, { routes = entry({ patterns = {}, prefix = {} }) },
    { routes = entry({ routes = "x" }) }, { routes = entry({ routes = { {} } }) }, { routes = entry({ routes = { { denied = 1 } } }) },
    { routes = entry({ routes = { { redirect = { shape = "@a", pattern = "x" } } } }) }, { routes = entry({ routes = { a = { shape = "@a" } } }) },
    { routes = with({ namespace = 1 }) }, { routes = with({ service = ("a"):rep(513) }) }, { routes = with({ path = long }) },
    { routes = with({ is_exact_twin = "true" }) }, { routes = with({ backend = cjson.null }) }, { routes = with({ slash = { target = { "" } } }) },
    { routes = with({ limit = 1 }) }, { routes = with({ limit = -1, too_large = "@a" }) }, { routes = with({ limit = 1e15, too_large = "@a" }) },
    { routes = with({ limit = 0 / 0, too_large = "@a" }) }, { routes = with({ too_large = "413" }) }, { routes = with({ in_clear = "x" }) },
    { routes = with({ shape = "x" }) }, { routes = with({ redirect = {} }) }, { routes = with({ redirect = { shape = "@a", pattern = 1 } }) },
    { routes = with({ rewrite = {} }) }, { routes = with({ rewrite = { pattern = "x" } }) }, { routes = with({ rewrite = { path = { "/" } } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, drop_args = 1 } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, exports = { "a b" } } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, exports = "a" } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, refused = "400" } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, empty = "500" } }) },
    { routes = with({ rewrite = { pattern = "x", path = { "/" }, args = { "", "-" } } }) },
    { routes = with({ alternatives = { {} } }) }, { routes = with({ alternatives = { { backend = "b", weight = 1 } } }) }, { routes = with({ alternatives = jump }) },
    { names = "x" }, { names = { a = 1 } }, { names = { "~a" } }, { names = { { key = "a", host = "a" } } }, { names = { { key = "~", host = "a" } } },
    { names = { { key = "~a", host = 1 } } }, { names = { { key = "~" .. ("a"):rep(4200), host = "a" } } },
    { removed = { routes = "a" } }, { removed = { routes = { 1 } } }, { removed = { routes = { "" } } },
  }
  local state, routes = fresh()
  apply(state, 1, { routes = { a = host({ path = "/good" }) } })
  for i, fields in ipairs(bad) do
    local status, problem = apply(state, 2, fields)
    same(status, 400, "document " .. i .. " status")
    assert(type(problem) == "string")
  end
  same({ state.generation(), path(routes, "a") }, { 1, "/good" })
  local _, problem = apply(state, 2, { routes = { ["a\nb"] = 1 } })
  same(problem, "routes a?b: is not an object")
end)

spec("routes: the names that are patterns may lack a host", function()
  local state, routes = fresh()
  same({ apply(state, 1, { names = { { key = "~a", host = "" } } }) }, {})
  same(routes.names()[1], { key = "~a", expression = "a", host = "" })
end)

spec("routes: a full dictionary keeps what it had, and a reset mends it", function()
  local state, routes = fresh(nil, { room = 3000 })
  apply(state, 1, { routes = { a = host({ path = "/1" }) } })
  local many = { a = host({ path = "/2" .. ("x"):rep(300) }) }
  for i = 1, 60 do many["h" .. i .. ".*"] = host() end
  same(apply(state, 2, { routes = many }), 507)
  assert(path(routes, "a"))
  same(apply(state, 3, { routes = { b = host() } }), 409)
  same(apply(state, 4, { reset = true, routes = { b = host({ path = "/b" }) }, names = { { key = "~b", host = "b" } } }), nil)
  same({ path(routes, "a"), path(routes, "b"), #routes.names() }, { nil, "/b", 1 })
end)
