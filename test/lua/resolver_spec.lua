-- resolver_spec.lua: the search for a name, how long answers live, and the conversation with servers.

local address = require("address")
local dns = require("dns")
local packets = require("packets")
local stand_in = require("stand_in")

local A1, A2 = address.parse("10.0.0.1"), address.parse("10.0.0.2")

local function fresh()
  local ngx = stand_in.fresh()
  return require("resolver"), ngx
end

-- asker answers from a table "name type" to answer; what is not in it does not exist.
local function asker(answers)
  local asked = {}
  local by_wire = {}
  for question, answer in pairs(answers) do
    local name, kind = question:match("^(%S+) (%S+)$")
    by_wire[dns.encode_name(name) .. dns[kind]] = { answer }
  end
  return function(wire, kind)
    asked[#asked + 1] = (wire:gsub("[%z\1-\31]", ".")) .. kind
    local found = by_wire[wire .. kind]
    if found then return found[1] or nil end
    return { code = dns.NXDOMAIN, addresses = {} }
  end, asked
end

local function good(ttl, ...) return { code = 0, addresses = { ... }, ttl = ttl } end

local EMPTY = { code = 0, addresses = {} }

spec("resolver: A comes before AAAA, and AAAA only if there is no A", function()
  local resolver = fresh()
  local ask, asked = asker({ ["a.b A"] = good(9, A2, A1), ["a.b AAAA"] = good(9, "x") })
  same(resolver.resolve("a.b", {}, ask), { addresses = { A1, A2 }, ttl = 9 })
  same(#asked, 1)
  local six = address.parse("fd00::1")
  ask = asker({ ["a.b A"] = EMPTY, ["a.b AAAA"] = good(9, six) })
  same(resolver.resolve("a.b", {}, ask), { addresses = { six }, ttl = 9 })
  ask, asked = asker({ ["a.b A"] = EMPTY, ["a.b AAAA"] = good(9, six) })
  same(resolver.resolve("a.b", { ipv4_only = true }, ask), nil)
  same(#asked, 1)
end)

spec("resolver: the search goes on after no, nothing and failure, and ends at silence", function()
  local resolver = fresh()
  local settings = { search = { "one", "two", "three", "four" }, ndots = 5 }
  local ask = asker({
    ["a.two A"] = EMPTY, ["a.two AAAA"] = EMPTY, ["a.three A"] = { code = dns.SERVFAIL, addresses = {} },
    ["a.four A"] = good(1, A1),
  })
  same(resolver.resolve("a", settings, ask), { addresses = { A1 }, ttl = 1 })
  ask = asker({ ["a.one A"] = false, ["a.two A"] = good(1, A1) })
  local found, problem = resolver.resolve("a", settings, ask)
  same(found, nil)
  same(problem, "no answer")
end)

spec("resolver: addresses that are not allowed are left out, and if none is left there is none", function()
  local resolver = fresh()
  local loopback = address.parse("127.0.0.1")
  same(resolver.resolve("a", {}, asker({ ["a A"] = good(9, loopback, A1) })), { addresses = { A1 }, ttl = 9 })
  same(resolver.resolve("a", {}, asker({ ["a A"] = good(9, loopback), ["a AAAA"] = good(9, A1) })), nil)
  same(resolver.resolve("a", { own_addresses = { "10.0.0.1" } }, asker({ ["a A"] = good(9, A1) })), nil)
end)

spec("resolver: TTLs are kept within bounds", function()
  local resolver = fresh()
  same(resolver.resolve("a", {}, asker({ ["a A"] = good(0, A1) })).ttl, 1)
  same(resolver.resolve("a", {}, asker({ ["a A"] = good(9999, A1) })).ttl, 300)
end)

spec("resolver: a record is used, renewed, kept through failure, and given up", function()
  local resolver = fresh()
  local record = { name = "a", good_until = 0, ask_at = 0 }
  same(resolver.judge(record, 10), "wait")
  resolver.settle(record, nil, "no answer", 10)
  same(resolver.judge(record, 10.5), "fail")
  same(resolver.judge(record, 11), "wait")
  resolver.settle(record, { addresses = { A1 }, ttl = 30 }, nil, 11)
  same(resolver.judge(record, 40), "use")
  same(resolver.judge(record, 41), "renew")
  same(resolver.judge(record, 45.9), "renew")
  same(resolver.judge(record, 46), "wait")
  resolver.settle(record, nil, "no answer", 42)
  same(resolver.judge(record, 42.5), "use")
  same(resolver.judge(record, 43), "renew")
  same(resolver.judge(record, 100), "renew")
  same(resolver.judge(record, 101), "wait")
end)

spec("resolver: only other addresses are a new version, and a failure is logged once", function()
  local resolver, ngx = fresh()
  local record = { name = "a", good_until = 0, ask_at = 0 }
  resolver.settle(record, { addresses = { A1, A2 }, ttl = 1 }, nil, 1)
  local version = record.version
  resolver.settle(record, { addresses = { A1, A2 }, ttl = 1 }, nil, 2)
  same(record.version, version)
  resolver.settle(record, { addresses = { A1 }, ttl = 1 }, nil, 3)
  assert(record.version ~= version)
  resolver.settle(record, nil, "no answer", 4)
  resolver.settle(record, nil, "no answer", 5)
  same(ngx.logged, { "cannot resolve a: no answer" })
end)

-- network plays servers: reply(server, query, tcp) gives the packets that come back.
local function network(ngx, reply)
  local function socket(tcp)
    local host, queue = nil, {}
    local self = {}
    function self.settimeout() end
    function self.close() end
    function self.setpeername(_, name, port)
      host = name .. ":" .. port
      return true
    end
    self.connect = self.setpeername
    function self.send(_, packet)
      queue = reply(host, tcp and packet:sub(3) or packet, tcp)
      if tcp and queue[1] then queue = { packets.uint16(#queue[1]), queue[1] } end
      return true
    end
    function self.receive()
      local packet = table.remove(queue, 1)
      if packet then return packet end
      ngx.time = ngx.time + 1
      return nil, "timeout"
    end
    return self
  end
  ngx.socket = { udp = function() return socket(false) end, tcp = function() return socket(true) end }
end

local function settings() return { nameservers = { "10.0.0.10:53", "[fd00::10]:53" } } end

local function answer(query, ...)
  local id = query:byte(1) * 256 + query:byte(2)
  local wire, kind = query:sub(13, -5), query:byte(-3)
  local records = {}
  for i, bytes in ipairs({ ... }) do records[i] = { "\192\12", #bytes == 4 and dns.A or dns.AAAA, 30, bytes } end
  return packets.answer(id, wire, kind, records), packets.answer(id + 1, wire, kind, records)
end

spec("resolver: a request waits for the answer, and stray packets do not matter", function()
  local resolver, ngx = fresh()
  network(ngx, function(_, query)
    local right = answer(query, A1)
    local _, wrong = answer(query, A2)
    return { wrong, "", right }
  end)
  same(resolver.lookup("a.b"), nil)
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b").addresses, { A1 })
end)

spec("resolver: the next server is asked after silence, nonsense and failure", function()
  local resolver, ngx = fresh()
  local asked = {}
  network(ngx, function(server, query)
    asked[#asked + 1] = server
    if #asked == 1 then return {} end
    if #asked == 2 then return { (answer(query, A1):sub(1, -3)) } end
    if #asked == 3 then return { (answer(query):gsub("\129\128", "\129\130", 1)) } end
    return { (answer(query, A1)) }
  end)
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b").addresses, { A1 })
  same(asked, { "10.0.0.10:53", "[fd00::10]:53", "10.0.0.10:53", "[fd00::10]:53" })
end)

spec("resolver: a truncated answer is fetched by TCP", function()
  local resolver, ngx = fresh()
  network(ngx, function(_, query, tcp)
    if tcp then return { (answer(query, A1, A2)) } end
    return { (answer(query):gsub("\129\128", "\131\128", 1)) }
  end)
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b").addresses, { A1, A2 })
end)

spec("resolver: many requests ask once, and an old answer is renewed behind their back", function()
  local resolver, ngx = fresh()
  local asked, address_now = 0, A1
  network(ngx, function(_, query)
    asked = asked + 1
    return { (answer(query, address_now)) }
  end)
  for _ = 1, 5 do resolver.ensure("a.b", settings) end
  same(asked, 1)
  ngx.time, address_now = ngx.time + 31, A2
  for _ = 1, 5 do resolver.ensure("a.b", settings) end
  same(#ngx.timers, 1)
  same(resolver.lookup("a.b").addresses, { A1 })
  stand_in.run_timers(ngx)
  same(asked, 2)
  same(resolver.lookup("a.b").addresses, { A2 })
end)

spec("resolver: while DNS is silent the last addresses serve for a minute", function()
  local resolver, ngx = fresh()
  local silent = false
  network(ngx, function(_, query) return silent and {} or { (answer(query, A1)) } end)
  resolver.ensure("a.b", settings)
  local good_until = ngx.time + 30
  silent, ngx.time = true, good_until
  while ngx.time < good_until + 59 do
    resolver.ensure("a.b", settings)
    stand_in.run_timers(ngx)
    if ngx.time < good_until + 60 then same(resolver.lookup("a.b").addresses, { A1 }) end
    ngx.time = ngx.time + 1
  end
  ngx.time = good_until + 60
  same(resolver.lookup("a.b"), nil)
  silent, ngx.time = false, ngx.time + 2
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b").addresses, { A1 })
end)

spec("resolver: no servers, no timer: the name fails and is tried again", function()
  local resolver, ngx = fresh()
  network(ngx, function(_, query) return { (answer(query, A1)) } end)
  resolver.ensure("a.b", function() return {} end)
  same(resolver.lookup("a.b"), nil)
  local at = ngx.timer.at
  ngx.timer.at = function() return nil, "too many" end
  ngx.time = ngx.time + 2
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b"), nil)
  ngx.timer.at, ngx.time = at, ngx.time + 2
  resolver.ensure("a.b", settings)
  same(resolver.lookup("a.b").addresses, { A1 })
end)
