-- address_spec.lua: text to bytes and back, and the addresses names must not lead to.

local address = require("address")

spec("address: literals have one form each", function()
  local forms = {
    ["10.0.0.1"] = "10.0.0.1",
    ["255.255.255.255"] = "255.255.255.255",
    ["::"] = "::",
    ["::1"] = "::1",
    ["1::"] = "1::",
    ["2001:DB8:0:0:0:0:0:1"] = "2001:db8::1",
    ["2001:db8:0:1:1:1:1:1"] = "2001:db8:0:1:1:1:1:1",
    ["1:0:0:2:0:0:0:3"] = "1:0:0:2::3",
    ["1:2:3:4:5:6:7::"] = "1:2:3:4:5:6:7:0",
    ["::ffff:10.1.2.3"] = "::ffff:a01:203",
    ["64:ff9b::10.1.2.3"] = "64:ff9b::a01:203",
  }
  for text, want in pairs(forms) do same(address.format(address.parse(text)), want, text) end
end)

spec("address: what is no literal is none", function()
  local bad = {
    "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.04", "1.2.3.4 ", "a.b.c.d", ":", ":::", "1:2",
    "1::2::3", "::12345", "g::", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "[::1]", "fe80::1%eth0", "::1.2.3",
    "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4::5:6:7:8", ("1:"):rep(40), "1.2.3.4\n",
  }
  for _, text in ipairs(bad) do same(address.parse(text), nil, text) end
  same(address.parse(nil), nil)
  same(address.parse(5), nil)
end)

spec("address: NGINX gets IPv6 in brackets", function()
  same(address.for_nginx(address.parse("::1")), "[::1]")
  same(address.for_nginx(address.parse("10.0.0.1")), "10.0.0.1")
end)

local function refused(text, own) return address.refused(address.parse(text), address.set(own)) end

local file = assert(io.open("test/lua/addresses.json"))
local cases = require("cjson").decode(file:read("*a"))
file:close()

spec("address: names must not lead to this machine, its link, metadata services, groups or reserved space", function()
  for _, text in ipairs(cases.refused) do same(refused(text, {}), true, text) end
  for _, text in ipairs(cases.allowed) do same(refused(text, {}), false, text) end
end)

spec("address: names must not lead to our own addresses, in any form", function()
  for _, text in ipairs(cases.refused_as_own) do
    same(refused(text, {}), false, text)
    same(refused(text, cases.own), true, text)
  end
  for _, text in ipairs(cases.allowed) do same(refused(text, cases.own), false, text) end
end)
