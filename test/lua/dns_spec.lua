-- dns_spec.lua: questions, answers, hostile answers, and the names to ask for.

local dns = require("dns")
local packets = require("packets")

local WIRE = dns.encode_name("www.example.com")

local function parse(packet, kind) return dns.parse(packet, 7, WIRE, kind or dns.A) end

spec("dns: names have a wire form", function()
  same(dns.encode_name("Www.Example.COM."), "\3www\7example\3com\0")
  for _, bad in ipairs({ "", ".", "a..b", ".a", ("a"):rep(64), ("a."):rep(128) }) do
    same(dns.encode_name(bad), nil, bad)
  end
  assert(dns.encode_name(("a"):rep(63)))
  assert(dns.encode_name(("a."):rep(127)))
end)

spec("dns: a question is as RFC 1035 wants it", function()
  same(dns.query(258, "\1a\0", dns.AAAA), "\1\2\1\0\0\1\0\0\0\0\0\0\1a\0\0\28\0\1")
end)

spec("dns: addresses are read, with the lowest TTL", function()
  local answer = parse(packets.answer(7, WIRE, dns.A, {
    { "\192\12", dns.A, 60, "\10\0\0\1" },
    { "\192\12", dns.A, 30, "\10\0\0\2" },
    { WIRE:upper(), dns.A, 90, "\10\0\0\3" },
    { "\5other\192\16", dns.A, 5, "\10\0\0\4" },
  }))
  same(answer.addresses, { "\10\0\0\1", "\10\0\0\2", "\10\0\0\3" })
  same(answer.ttl, 30)
  same(answer.code, 0)
end)

spec("dns: CNAMEs are followed in any order, and never around", function()
  local a, b = dns.encode_name("a.example.com"), dns.encode_name("b.example.com")
  local answer = parse(packets.answer(7, WIRE, dns.A, {
    { b, dns.A, 60, "\10\0\0\1" },
    { a, 5, 20, b },
    { "\192\12", 5, 90, a },
  }))
  same(answer.addresses, { "\10\0\0\1" })
  same(answer.ttl, 20)
  answer = parse(packets.answer(7, WIRE, dns.A, { { "\192\12", 5, 9, a }, { a, 5, 9, WIRE } }))
  same(answer.addresses, {})
end)

spec("dns: IPv6 addresses are read", function()
  local bytes = ("\32"):rep(16)
  local answer = parse(packets.answer(7, WIRE, dns.AAAA, { { "\192\12", dns.AAAA, 9, bytes } }), dns.AAAA)
  same(answer.addresses, { bytes })
end)

spec("dns: errors and truncation are told", function()
  same(parse(packets.answer(7, WIRE, dns.A, {}, "\129\131")).code, dns.NXDOMAIN)
  same(parse(packets.answer(7, WIRE, dns.A, {}, "\131\128")).truncated, true)
end)

spec("dns: what does not answer the question is foreign", function()
  local good = { { "\192\12", dns.A, 60, "\10\0\0\1" } }
  for what, packet in pairs({
    id = packets.answer(8, WIRE, dns.A, good),
    name = packets.answer(7, dns.encode_name("www.example.org"), dns.A, good),
    kind = packets.answer(7, WIRE, dns.AAAA, good),
    query = packets.answer(7, WIRE, dns.A, good, "\1\128"),
    operation = packets.answer(7, WIRE, dns.A, good, "\145\128"),
    short = "\0\7\129",
    empty = "",
  }) do
    local answer, problem = parse(packet)
    same(answer, nil, what)
    same(problem, "foreign", what)
  end
end)

spec("dns: pointers that go forward, around or on and on are refused", function()
  for what, owner in pairs({
    itself = "\192\33",
    forward = "\192\60",
    around = "\1a\192\33",
    outside = "\255\255",
    reserved = "\64a\0",
    long = ("\63" .. ("a"):rep(63)):rep(4) .. "\0",
  }) do
    local answer, problem = parse(packets.answer(7, WIRE, dns.A, { { owner, dns.A, 60, "\10\0\0\1" } }))
    same(answer, nil, what)
    same(problem, "malformed", what)
  end
  -- A staircase of pointers, which every one of thousands of records would walk down.
  local stairs = "\0"
  for i = 1, 100 do
    local at = i == 1 and 45 or 46 + 2 * (i - 2)
    stairs = stairs .. string.char(192, at)
  end
  local records = { { "\192\12", 16, 60, stairs } }
  for _ = 1, 3000 do records[#records + 1] = { "\192\240", dns.A, 60, "\10\0\0\1" } end
  local started = os.clock()
  same(parse(packets.answer(7, WIRE, dns.A, records)), nil)
  assert(os.clock() - started < 1)
end)

spec("dns: an answer cut anywhere is malformed or foreign", function()
  local packet = packets.answer(7, WIRE, dns.A, {
    { "\192\12", 5, 9, dns.encode_name("a.example.com") },
    { "\1a\192\16", dns.A, 60, "\10\0\0\1" },
  })
  same(parse(packet).addresses, { "\10\0\0\1" })
  for length = 0, #packet - 1 do same(parse(packet:sub(1, length)), nil, "cut at " .. length) end
end)

spec("dns: no mutation of an answer raises an error", function()
  math.randomseed(1)
  local bases = {
    packets.answer(7, WIRE, dns.A, { { "\192\12", 5, 9, "\1a\192\16" }, { "\1a\192\16", dns.A, 60, "\10\0\0\1" } }),
    packets.answer(7, WIRE, dns.AAAA, { { "\192\12", dns.AAAA, 60, ("\1"):rep(16) } }),
    packets.answer(7, WIRE, dns.A, {}),
  }
  for _ = 1, 50000 do
    local bytes = { bases[math.random(#bases)]:byte(1, -1) }
    for _ = 1, math.random(6) do
      -- The question mostly stays, or few mutations would get past it.
      local from = math.random() < 0.9 and math.min(34, #bytes) or 1
      bytes[math.random(from, #bytes)] = math.random() < 0.5 and math.random(0, 255) or ({ 0, 63, 192, 255 })[math.random(4)]
    end
    local packet = string.char(unpack(bytes)):sub(1, math.random() < 0.3 and math.random(#bytes) or -1)
    local answer = dns.parse(packet, 7, WIRE, math.random() < 0.5 and dns.A or dns.AAAA)
    for _, found in ipairs(answer and answer.addresses or {}) do assert(#found == 4 or #found == 16) end
  end
  for _ = 1, 20000 do
    local bytes = {}
    for i = 1, math.random(0, 80) do bytes[i] = math.random(0, 255) end
    dns.parse(string.char(unpack(bytes)), 7, WIRE, dns.A)
  end
end)

spec("dns: the names to ask for follow resolv.conf(5)", function()
  local search = { "ns.svc.cluster.local", "svc.cluster.local" }
  local long, short = "web.ns.svc.cluster.local.", "web.svc.cluster.local."
  same(dns.candidates("web", search, 5), { long, short, "web." })
  same(dns.candidates("web.", search, 5), { "web." })
  same(dns.candidates("web", search, 0), { "web.", long, short })
  same(dns.candidates("a.b", search, 1), { "a.b.", "a.b.ns.svc.cluster.local.", "a.b.svc.cluster.local." })
  same(dns.candidates("a.b", search, 2), { "a.b.ns.svc.cluster.local.", "a.b.svc.cluster.local.", "a.b." })
  same(dns.candidates("a", {}, 1), { "a." })
  same(dns.candidates("a", { ".", "", "x." }, 1), { "a.x.", "a." })
end)
