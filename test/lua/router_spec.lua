-- router_spec.lua: from a name to a host, from a path to a route, and what becomes of a request there.

local stand_in = require("stand_in")
local router = require("router")

-- search plays NGINX's own: where a pattern is found, or nil and what is wrong with it.
local function search(text, pattern)
  local from, _, problem = stand_in.find(text, pattern)
  return from, problem
end

-- keys gives what find_host needs for hosts of these keys; each is its own key. It counts what is asked for.
local function keys(list, names)
  local hosts, longest, asked = {}, 0, { count = 0 }
  for _, key in ipairs(list) do
    hosts[key] = key
    if router.is_open(key) then longest = math.max(longest, #key) end
  end
  local prepared = router.prepare_names(names or {}, longest)
  local function host(key)
    asked.count = asked.count + 1
    return hosts[key]
  end
  return host, function() return prepared end, asked
end

local function found(name, list, names)
  local host, all = keys(list, names)
  return router.find_host(name, host, all, search)
end

spec("router: an open key is one with any number of further labels", function()
  for _, key in ipairs({ "**.a", "a.*", "**.*" }) do same(router.is_open(key), true, key) end
  for _, key in ipairs({ "*.a", "a", "_", "~a.*", "~**.", "*" }) do same(router.is_open(key), false, key) end
end)

spec("router: names come before suffixes, these before prefixes, and the longest of each wins", function()
  local list = { "a.b.c", "**.b.c", "**.c", "**.x.b.c", "a.b.*", "a.*", "_" }
  for name, want in pairs({
    ["a.b.c"] = "a.b.c", ["q.b.c"] = "**.b.c", ["q.x.b.c"] = "**.x.b.c", ["p.q.x.b.c"] = "**.x.b.c", ["x.b.c"] = "**.b.c",
    ["b.c"] = "**.c", ["c"] = "_", ["qb.c"] = "**.c", ["a.b.d"] = "a.b.*", ["a.b.d.e"] = "a.b.*", ["a.q"] = "a.*", ["a"] = "_",
    ["a.b"] = "a.*", ["xa.q"] = "_", [".c"] = "**.c", ["ac"] = "_", [""] = "_", ["_"] = "_",
  }) do same(found(name, list), want, name) end
end)

spec("router: the wildcard of an Ingress is one label of letters, digits, _ and -", function()
  local list = { "*.b.c", "_" }
  for name, label in pairs({ ["a.b.c"] = "a", ["a-1_.b.c"] = "a-1_" }) do same({ found(name, list) }, { "*.b.c", label }) end
  for _, name in ipairs({ "b.c", ".b.c", "x.a.b.c", "a+.b.c", "*.b.c", "é.b.c", "ab.c" }) do same({ found(name, list) }, { "_" }, name) end
  same({ found("a.b.c", { "*.b.c", "**.c" }) }, { "**.c" })
end)

spec("router: patterns are asked in order, and the wildcard of an Ingress among them by the order of hosts", function()
  local names = { { key = "~^a", host = "*.b.c" }, { key = "~c$", host = "x.b.c" }, { key = "~gone", host = "z" }, { key = "~g", host = "z" } }
  local list = { "~^a", "~c$", "*.b.c", "*.z.c", "~g", "_" }
  same({ found("a.b.c", list, names) }, { "*.b.c", "a" }, "a key that is not greater")
  same({ found("a.z.c", list, names) }, { "~^a" })
  same({ found("q.z.c", list, names) }, { "*.z.c", "q" }, "before the pattern of a greater host")
  same({ found("q.q.c", list, names) }, { "~c$" })
  same({ found("gone.q", list, names) }, { "~g" }, "a pattern whose entry is not there")
  same({ found("nobody", list, names) }, { "_" })
end)

spec("router: what a client asks for is a name, whatever it looks like", function()
  local list = { "~^a$", "*.b.c", "**.c" }
  for _, name in ipairs({ "~^a$", "*.b.c", "**.c" }) do
    local host = keys({ name })
    same(router.find_host(name, host, function() return router.prepare_names({}, 0) end, search), nil, name)
  end
  same(found("*.b.c", list), "**.c", "as NGINX does")
end)

spec("router: an entry that cannot be used is an answer, and so is a pattern that cannot be searched for", function()
  for _, key in ipairs({ "a.b.c", "**.c", "a.*", "*.b.c", "~^a", "_" }) do
    local function host(asked)
      if asked == key then return false end
      return nil
    end
    local names = router.prepare_names(key == "~^a" and { { key = "~^a", host = "x" } } or {}, 10)
    same(router.find_host("a.b.c", host, function() return names end, search), false, key)
  end
  same({ found("a.b.c", { "_" }, { { key = "~(", host = "x" } }) }, { [3] = "it does not compile" })
end)

spec("router: a name of thousands of labels costs no more than the longest open key", function()
  local name = ("a."):rep(4000) .. "z"
  local host, names, asked = keys({ "_", "**.b.c", "c.b.*" })
  same(router.find_host(name, host, names, search), "_")
  assert(asked.count < 10, asked.count)
  host, names, asked = keys({ "_" })
  same(router.find_host(name, host, names, search), "_")
  same(asked.count, 3)
end)

-- paths makes a host of routes that are their own paths. slash names those that take their path without the slash.
local function paths(exact, prefix, slash)
  local stored = { exact = {}, prefix = {}, routes = {} }
  for field, list in pairs({ exact = exact, prefix = prefix }) do
    for _, path in ipairs(list) do
      stored[field][path] = #stored.routes
      stored.routes[#stored.routes + 1] = { name = field .. " " .. path, slash = slash and slash[path] and { shape = path } }
    end
  end
  return router.prepare(stored)
end

local function taken(host, path)
  local route, bare, problem = router.find_route(host, path, search)
  return route and route.name or bare and "slash " .. bare.slash.shape or problem
end

spec("router: exact paths come before prefixes, and the longest prefix wins", function()
  local host = paths({ "/a", "/a/b" }, { "/", "/a/", "/a/b/c/", "/a/bb/" })
  for path, want in pairs({
    ["/"] = "prefix /", ["/a"] = "exact /a", ["/a/"] = "prefix /a/", ["/a/b"] = "exact /a/b", ["/a/b/"] = "prefix /a/",
    ["/a/b/c"] = "prefix /a/", ["/a/b/c/"] = "prefix /a/b/c/", ["/a/b/c/d/e"] = "prefix /a/b/c/", ["/a/bb/c"] = "prefix /a/bb/",
    ["/ab"] = "prefix /", ["/A"] = "prefix /", ["/b/"] = "prefix /", ["/a/bx/"] = "prefix /a/",
  }) do same(taken(host, path), want, path) end
  same(taken(paths({ "/a" }, { "/a/" }), "/b"), nil)
  same(taken(paths({}, {}), "/"), nil)
end)

spec("router: a path that lacks just the slash of a route gets it, before a shorter prefix", function()
  local all = { ["/a/"] = true, ["/a/b/"] = true, ["/c/"] = true, ["/"] = true }
  local host = paths({ "/a", "/c/" }, { "/", "/a/", "/a/b/", "/d/" }, all)
  for path, want in pairs({
    ["/a"] = "exact /a", ["/a/b"] = "slash /a/b/", ["/a/b/"] = "prefix /a/b/", ["/c"] = "slash /c/", ["/d"] = "prefix /", ["/"] = "prefix /",
    ["/a/bb"] = "prefix /a/",
  }) do same(taken(host, path), want, path) end
  local both = router.prepare({ exact = { ["/x/"] = 0 }, prefix = { ["/x/"] = 1 }, routes = { { slash = { shape = "exact" } }, { slash = { shape = "prefix" } } } })
  same(taken(both, "/x"), "slash exact", "as in NGINX's tree")
  both = router.prepare({ exact = { ["/x/"] = 0 }, prefix = { ["/x/"] = 1 }, routes = { {}, { slash = { shape = "prefix" } } } })
  same(taken(both, "/x"), "slash prefix")
end)

spec("router: the first pattern that is found takes the path, unless it is exactly one that is known", function()
  local host = router.prepare({
    exact = { ["/aa/bx"] = 0 },
    patterns = { { text = "^/a+/b", route = 1 }, { text = "^/a", route = 0 }, { text = "x(", route = 0 } },
    routes = { { name = "short" }, { name = "long" } },
  })
  same(taken(host, "/aa/b"), "long")
  same(taken(host, "/aa/c"), "short")
  same(taken(host, "/aa/bx"), "short")
  local broken = router.prepare({ patterns = { { text = "(", route = 0 } }, routes = { {} } })
  same(taken(broken, "/"), "it does not compile")
  same(taken(router.prepare({ patterns = { { text = "^/a", route = 0 } }, routes = { {} } }), "/b"), nil)
end)

spec("router: an entry fits if all shapes it names are there", function()
  local all = {
    all = { shape = "@1" }, root = { shape = "@2" }, routes = { {
      slash = { shape = "@3" }, too_large = "@4", denied = "@5", redirect = { shape = "@6" }, in_clear = "@7", rewrite = { refused = "@8", empty = "@10" },
      shape = "@9",
    } },
  }
  local shapes = {}
  for i = 1, 10 do shapes["@" .. i] = true end
  same(router.fits(all, shapes), true)
  same(router.fits({ same_as = "x" }, {}), true)
  for i = 1, 10 do
    shapes["@" .. i] = nil
    same(router.fits(all, shapes), false, i)
    shapes["@" .. i] = true
  end
end)

spec("router: templates take groups of the pattern first, then variables, and what is neither is empty", function()
  local variables = { host = "h", scheme = "https" }
  for _, case in ipairs({
    { { "" }, "" }, { { "/a" }, "/a" }, { { "", "host" }, "h" }, { { "", "scheme", "://", "host", "/x" }, "https://h/x" },
    { { "a", "none", "b" }, "ab" }, { { "", "host", "-", "one", "-", "two" }, "mine-1-", { host = "mine", one = "1", two = false } },
    { { "", "one" }, "", { one = "" } },
  }) do same(router.expand(case[1], case[3], variables), case[2]) end
end)

local function request(variables)
  return { variables = variables or {}, search = search, match = stand_in.match, escape = function(text) return "%" .. text end }
end

spec("router: denied comes before redirect, that before the clear, that before rewrite and shape", function()
  local route = {
    denied = "@denied", redirect = { shape = "@redirect" }, in_clear = "@clear", rewrite = { pattern = "^/(?<one>.*)", path = { "/x" } }, shape = "@shape",
  }
  local clear, tls = request({ pass_access_scheme = "http" }), request({ pass_access_scheme = "https" })
  same({ router.decide(route, "/", clear) }, { "@denied" })
  route.denied = nil
  same({ router.decide(route, "/", clear) }, { "@redirect" })
  route.redirect = nil
  same({ router.decide(route, "/", clear) }, { "@clear" })
  same({ router.decide(route, "/a", tls) }, { "@shape", [3] = route.rewrite, [4] = { one = "a" } })
  route.rewrite = nil
  same({ router.decide(route, "/a", tls) }, { "@shape" })
end)

spec("router: a redirect takes paths in which its pattern is found, as a URL has them", function()
  local route = { redirect = { shape = "@302", target = { "https://", "host", "/", "one" }, pattern = "^%%/(?<one>.*)" }, shape = "@shape" }
  same({ router.decide(route, "/a", request({ host = "h" })) }, { "@302", "https://h/a" })
  route.redirect.pattern = "^/a"
  same({ router.decide(route, "/a", request()) }, { "@shape" })
  route.redirect.pattern = "("
  same({ router.decide(route, "/a", request()) }, { nil, "it does not compile" })
end)

spec("router: a rewrite may refuse control characters, whether its pattern is found or not", function()
  local route = { rewrite = { pattern = "^/x", refused = "@400", path = { "/y" } }, shape = "@shape" }
  local asked = request()
  asked.search = function(text, pattern)
    same(pattern, "[[:cntrl:]]")
    if text == "/(" then return nil, "too hard" end
    return text:find("%c")
  end
  same({ router.decide(route, "/a\n", asked) }, { "@400" })
  same({ router.decide(route, "/(", asked) }, { nil, "too hard" })
  same({ router.decide(route, "/a", asked) }, { "@shape" })
  same(router.decide(route, "/x", asked), "@shape")
  route.rewrite.refused = nil
  same({ router.decide(route, "/a\n", asked) }, { "@shape" })
  route.rewrite.pattern = "("
  same({ router.decide(route, "/a", asked) }, { nil, "it does not compile" })
end)

spec("router: arguments of a rewrite stand before those of the request, unless these are dropped", function()
  local path = { "/n/", "one" }
  for _, case in ipairs({
    { {}, nil }, { { drop_args = true }, "" }, { { args = { "x=", "one" } }, "x=1&q=2" }, { { args = { "x=", "one" }, drop_args = true }, "x=1" },
    { { args = { "" } }, "&q=2" }, { { args = { "x" } }, "x", "" }, { { args = { "x" } }, "x", false },
  }) do
    local rewrite, want, own = case[1], case[2], case[3]
    if own == nil then own = "q=2" end
    rewrite.path = path
    same({ router.rewritten(rewrite, { one = "1" }, { args = own or nil }) }, { "/n/1", want })
  end
end)
