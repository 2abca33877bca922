-- state_spec.lua: what is accepted, what is stored, what workers see of it, and what a start brings back.

local cjson = require("cjson")
local stand_in = require("stand_in")

-- with_alternative is a document's backends with an alternative of a route.
local function with_alternative(alternative)
  return { bad = { routes = { ["a.example.com"] = { ["/"] = { alternative } } } } }
end

local function fresh(options)
  local ngx = stand_in.fresh(options)
  local state = require("state")
  state.init("/nonexistent")
  return state, ngx
end

local function update(generation, fields)
  local document = { version = 1, generation = generation }
  for key, value in pairs(fields or {}) do document[key] = value end
  return document
end

local function backend(...)
  local endpoints = {}
  for i, port in ipairs({ ... }) do endpoints[i] = { address = "10.0.0.1", port = port } end
  return { endpoints = endpoints }
end

-- tick lets NGINX's clock move, as between two events.
local function tick() ngx.time = ngx.time + 1 end

local function ports(state, name)
  tick()
  local entry = state.backend(name)
  if not entry then return nil end
  local out = {}
  for i, endpoint in ipairs(entry.endpoints or {}) do out[i] = endpoint.port end
  return out
end

local PAIR = { certificate = "PEM", key = "KEY" }

spec("state: backends come, change and go", function()
  local state = fresh()
  same(ports(state, "a"), nil)
  same(state.apply(update(1, { backends = { a = backend(1, 2), b = backend(3) } })), nil)
  same(ports(state, "a"), { 1, 2 })
  same(state.apply(update(2, { backends = { a = backend(4) } })), nil)
  same(ports(state, "a"), { 4 })
  same(ports(state, "b"), { 3 })
  same(state.apply(update(3, { removed = { backends = { "a", "never" } } })), nil)
  same(ports(state, "a"), nil)
  same(ports(state, "b"), { 3 })
  same(state.apply(update(4, { backends = { a = {} } })), nil)
  same(ports(state, "a"), {})
  same(state.status().backends, 2)
end)

spec("state: only what changed is read again", function()
  local state = fresh()
  state.apply(update(1, { backends = { a = backend(1), b = backend(1) } }))
  tick()
  local a, b = state.backend("a"), state.backend("b")
  a.pool = "what is made of it"
  state.apply(update(2, { backends = { a = backend(2), b = backend(1) } }))
  tick()
  same(state.backend("a").generation, 2)
  same(state.backend("a").pool, a.pool, "what the entry before had")
  same(state.backend("b").generation, 1, "an entry that is the same as before")
  same(b.seen, 2)
end)

spec("state: within one turn of NGINX's clock the generation, and who stays, is read once", function()
  local state, ngx = fresh()
  state.apply(update(1, { backends = { a = backend(1) } }))
  tick()
  local dict, reads = ngx.shared.sluice_state, 0
  local get = dict.get
  function dict:get(key)
    reads = reads + 1
    return get(self, key)
  end
  state.backend("a")
  reads = 0
  for _ = 1, 10 do state.backend("a") end
  same(reads, 0)
  tick()
  for _ = 1, 10 do state.backend("a") end
  same(reads, 2)
end)

spec("state: generations only grow", function()
  local state = fresh()
  same(state.apply(update(5, { backends = { a = backend(1) } })), nil)
  for _, generation in ipairs({ 5, 4, 1 }) do
    same(state.apply(update(generation, { backends = { a = backend(2) } })), 409)
  end
  same(ports(state, "a"), { 1 })
  same(state.generation(), 5)
end)

spec("state: a reset drops what it does not name", function()
  local state, ngx = fresh()
  state.apply(update(1, {
    settings = { ndots = 5 },
    backends = { a = backend(1), b = backend(2) },
    certificates = { one = PAIR, two = PAIR },
    hosts = { ["a.example.com"] = "one", ["b.example.com"] = "two" },
  }))
  same(state.apply(update(2, {
    reset = true, backends = { b = backend(2), c = backend(3) }, certificates = { two = PAIR },
    hosts = { ["b.example.com"] = "two" },
  })), nil)
  same(ports(state, "a"), nil)
  same(ports(state, "b"), { 2 })
  same(ports(state, "c"), { 3 })
  same(state.host("a.example.com"), nil)
  same(state.host("b.example.com"), "two")
  same(state.certificate("one"), nil)
  same(state.certificate("two"), PAIR)
  same(state.settings(), {})
  same(state.status().backends, 2)
  same(#ngx.shared.sluice_certificates:get_keys(0), 1)
end)

spec("state: hosts and certificates go when they are removed", function()
  local state = fresh()
  state.apply(update(1, { certificates = { one = PAIR }, hosts = { ["A.example.com"] = "one" } }))
  same(state.host("a.example.com"), "one")
  same(state.apply(update(2, { removed = { hosts = { "a.example.com" }, certificates = { "one" } } })), nil)
  same(state.host("a.example.com"), nil)
  same(state.certificate("one"), nil)
end)

spec("state: a bad document changes nothing", function()
  local bad = {
    { version = 2 }, { version = cjson.null }, { generation = 0 }, { generation = 1.5 }, { generation = "9" },
    { generation = 1e15 }, { reset = 1 }, { backends = "x" }, { backends = { 1 } }, { backends = cjson.null },
    { backends = { bad = 1 } }, { backends = { bad = { endpoints = "x" } } }, { backends = { bad = { endpoints = { 1 } } } },
    { backends = { bad = { endpoints = { a = 1 } } } },
    { backends = { bad = { endpoints = { { address = "web", port = 80 } } } } },
    { backends = { bad = { endpoints = { { address = "10.0.0.1", port = 0 } } } } },
    { backends = { bad = { endpoints = { { address = "10.0.0.1", port = 65536 } } } } },
    { backends = { bad = { endpoints = { { address = "10.0.0.1", port = "80" } } } } },
    { backends = { bad = { endpoints = { { address = "10.0.0.1", port = 80.5 } } } } },
    { backends = { bad = { endpoints = { { port = 80 } } } } },
    { backends = { bad = { names = { { address = "10.0.0.1", port = 80 } } } } },
    { backends = { bad = { names = { { address = "a b", port = 80 } } } } },
    { backends = { bad = { names = { { address = "a..b", port = 80 } } } } },
    { backends = { bad = { names = { { address = "", port = 80 } } } } },
    { backends = { bad = { routes = "x" } } }, { backends = { bad = { routes = { 1 } } } },
    { backends = { bad = { routes = { ["a.example.com"] = "x" } } } }, { backends = { bad = { routes = { [""] = {} } } } },
    { backends = { bad = { routes = { ["a.example.com"] = { ["/"] = "x" } } } } },
    { backends = { bad = { routes = { ["a.example.com"] = { ["/"] = { backend = "b" } } } } } },
    { backends = { bad = { routes = { [("a"):rep(4097)] = {} } } } },
    { backends = with_alternative(7) }, { backends = with_alternative({}) }, { backends = with_alternative({ backend = 1 }) },
    { backends = with_alternative({ backend = "" }) }, { backends = with_alternative({ backend = "b", header = 1 }) },
    { backends = with_alternative({ backend = "b", header_value = "" }) },
    { backends = with_alternative({ backend = "b", header_pattern = ("a"):rep(4097) }) },
    { backends = with_alternative({ backend = "b", header_refused = "true" }) },
    { backends = with_alternative({ backend = "b", cookie = cjson.null }) },
    { backends = with_alternative({ backend = "b", weight = 1 }) },
    { backends = with_alternative({ backend = "b", weight = -1, weight_total = 100 }) },
    { backends = with_alternative({ backend = "b", weight = 101, weight_total = 100 }) },
    { backends = with_alternative({ backend = "b", weight = 0.5, weight_total = 100 }) },
    { backends = with_alternative({ backend = "b", weight = 0, weight_total = 0 }) },
    { backends = { bad = { balance = "least_conn" } } }, { backends = { bad = { balance = 1 } } },
    { backends = { bad = { endpoints = { { address = "10.0.0.1", port = 80, sessions_only = "yes" } } } } },
    { backends = { bad = { hash_by = "x" } } }, { backends = { bad = { hash_by = {} } } }, { backends = { bad = { hash_by = { key = {} } } } },
    { backends = { bad = { hash_by = { key = { 1 } } } } }, { backends = { bad = { hash_by = { key = { "", "a b", "" } } } } },
    { backends = { bad = { hash_by = { key = { ("a"):rep(4097) } } } } },
    { backends = { bad = { hash_by = { key = { "a" }, subset = 1.5 } } } }, { backends = { bad = { hash_by = { key = { "a" }, subset = "3" } } } },
    { backends = { bad = { affinity = "cookie" } } }, { backends = { bad = { affinity = { key = "k", id = "i", ingresses = {} } } } },
    { certificates = { x = "PEM" } }, { certificates = { x = { certificate = "PEM" } } },
    { hosts = { ["a.example.com"] = "unknown" } }, { hosts = { ["a.example.com"] = 1 } }, { hosts = { ["a b"] = "old" } },
    { hosts = { ["a.*.com"] = "old" } }, { hosts = { ["x.example.com"] = "old" }, reset = true },
    { hosts = { ["x.example.com"] = "old" }, removed = { certificates = { "old" } } },
    { removed = "x" }, { removed = { backends = "x" } }, { removed = { hosts = { 1 } } }, { removed = { hosts = { a = "b" } } },
    { settings = 1 }, { settings = { nameservers = "x" } }, { settings = { nameservers = { "10.0.0.1" } } },
    { settings = { nameservers = { "dns:53" } } }, { settings = { ndots = "5" } }, { settings = { ndots = -1 } },
    { settings = { ipv4_only = "yes" } },
    { settings = { search = { 1 } } }, { settings = { own_addresses = { "me" } } },
  }
  local state = fresh()
  state.apply(update(1, { certificates = { old = PAIR }, hosts = { ["old.example.com"] = "old" }, backends = { a = backend(1) } }))
  for i, fields in ipairs(bad) do
    local document = update(2, fields)
    if not document.backends then document.backends = { a = backend(9) } end
    local status, problem = state.apply(document)
    same(status, 400, "document " .. i .. ": " .. cjson.encode(fields) .. " status")
    assert(type(problem) == "string")
  end
  same(state.apply("x"), 400)
  same(ports(state, "a"), { 1 })
  same(state.generation(), 1)
  same(state.host("old.example.com"), "old")
end)

spec("state: good documents in odd forms are taken", function()
  local state = fresh()
  same(state.apply(update(1, {
    settings = { nameservers = { "10.0.0.10:53", "[fd00::10]:53" }, search = { "a.b" }, ndots = 5, own_addresses = { "::1" } },
    backends = { a = { names = { { address = "Web.example.com.", port = 65535 }, { address = "_x.y-z", port = 1 } } } },
    unknown = 1,
  })), nil)
  same(state.settings().ndots, 5)
  tick()
  same(state.backend("a").names[1], { address = "Web.example.com.", port = 65535 })
  same(state.backend("a").endpoints, nil)
end)

spec("state: alternatives come and go with their backend", function()
  local state = fresh()
  local with = backend(1)
  with.routes = { [("a"):rep(4096)] = { ["/" .. ("a"):rep(4000)] = { { backend = "b" } } }, _ = { ["/"] = {} } }
  same(state.apply(update(1, { backends = { a = with } })), nil)
  tick()
  local routes = state.backend("a").routes
  same(routes[("a"):rep(4096)]["/" .. ("a"):rep(4000)][1].backend, "b")
  same(#routes._["/"], 0)
  same(state.apply(update(2, { backends = { a = backend(1) } })), nil)
  tick()
  same(state.backend("a").routes, nil)
  same(state.apply(update(3, { backends = { a = { routes = {} } } })), nil)
  tick()
  same(state.backend("a").routes, nil)
end)

spec("state: a pair that does not parse is refused, and its text not repeated", function()
  local state = fresh()
  local status, problem = state.apply(update(1, { certificates = { one = PAIR } }), function(certificate, key)
    same(certificate .. key, "PEMKEY")
    return "the key cannot be read"
  end)
  same(status, 400)
  same(problem, "certificate one: the key cannot be read")
  same(state.certificate("one"), nil)
end)

spec("state: a full dictionary keeps what it had and wants a reset", function()
  local state, ngx = fresh({ room = 1500 })
  same(state.apply(update(1, { backends = { a = backend(1), b = backend(2) } })), nil)
  local many = { a = backend(1, 1, 1, 1, 1) }
  for i = 1, 50 do many["c" .. i] = backend(i) end
  same(state.apply(update(2, { backends = many })), 507)
  same(state.generation(), 2)
  same(state.is_incomplete(), true)
  same(state.status().incomplete, true)
  same(ports(state, "b"), { 2 })
  assert(#ports(state, "a") > 0)
  local status, problem = state.apply(update(3, { backends = { d = backend(1) } }))
  same(status, 409)
  assert(problem:find("reset"))
  same(state.apply(update(4, { reset = true, backends = { b = backend(7) } })), nil)
  same(state.is_incomplete(), false)
  same(ports(state, "b"), { 7 })
  same(ports(state, "a"), nil)
  same(state.apply(update(5, { backends = { d = backend(1) } })), nil)
  same(ngx.shared.sluice_state:get("applying"), nil)
end)

spec("state: two updates at once do not mix", function()
  local state, ngx = fresh()
  ngx.shared.sluice_state:safe_set("applying", true)
  same(state.apply(update(1, { backends = { a = backend(1) } })), 409)
  ngx.shared.sluice_state:delete("applying")
  same(state.apply(update(1, { backends = { a = backend(1) } })), nil)
end)

spec("state: names that are gone do not pile up", function()
  local state = fresh()
  for i = 1, 5000 do same(state.backend("gone" .. i), nil) end
  state.apply(update(1, { backends = { gone1 = backend(1) } }))
  same(ports(state, "gone1"), { 1 })
end)

spec("state: workers are listed, those of former configurations not", function()
  local state = fresh()
  state.set_worker(0, 10, "old", 2)
  state.set_worker(1, 11, "old", 2)
  same(#state.status().workers, 2)
  state.set_worker(0, 20, "new", 1)
  same(state.status(), {
    version = 1, generation = 0, backends = 0, workers_wanted = 1,
    workers = { { id = 0, pid = 20, configuration = "new" } },
  })
end)

local function with_file(text, body)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local ngx = stand_in.fresh()
  local state = require("state")
  state.init(path)
  os.remove(path)
  body(state, ngx)
end

local function lines(...)
  local out = {}
  for i, document in ipairs({ ... }) do out[i] = cjson.encode(document) .. "\n" end
  return table.concat(out)
end

spec("state: a start replays the file, without a torn last line", function()
  local text = lines(
    update(1, { reset = true, backends = { a = backend(1), b = backend(1) }, certificates = { one = PAIR }, hosts = { h = "one" } }),
    update(2, { backends = { a = backend(2) } }),
    update(3, { removed = { backends = { "b" } } })
  )
  for _, torn in ipairs({ "", "\n", '{"version":1,"generation":4,"backends":{"a":{"endpo', "{" }) do
    with_file(text .. torn, function(state, ngx)
      same(state.generation(), 3)
      same(ports(state, "a"), { 2 })
      same(ports(state, "b"), nil)
      same(state.host("h"), "one")
      same(state.is_incomplete(), false)
      same(ngx.logged, {})
    end)
  end
end)

spec("state: a file that is wrong in the middle serves the rest and wants a reset", function()
  local good, after = update(1, { backends = { a = backend(1) } }), update(3, { backends = { b = backend(2) } })
  for _, wrong in ipairs({ "{", '{"version":1,"generation":2,"backends":7}' }) do
    with_file(lines(good) .. wrong .. "\n" .. lines(after), function(state, ngx)
      same(ports(state, "a"), { 1 })
      same(state.is_incomplete(), true)
      assert(#ngx.logged > 0)
    end)
  end
end)

spec("state: a reload replays nothing, nor does a test of the configuration", function()
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(lines(update(1, { backends = { a = backend(1) } })))
  file:close()
  local state, ngx = fresh()
  state.apply(update(7, { backends = { b = backend(2) } }))
  stand_in.fresh({ shared = ngx.shared })
  state = require("state")
  state.init(path)
  same(state.generation(), 7)
  same(ports(state, "a"), nil)
  same(ports(state, "b"), { 2 })

  stand_in.fresh()
  state = require("state")
  local getenv = os.getenv
  os.getenv = function(name) return name == "SLUICE_CONFIG_TEST" and "1" or getenv(name) end
  state.init(path)
  os.getenv = getenv
  same(state.generation(), 0)
  os.remove(path)
end)
