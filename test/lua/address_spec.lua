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

local function refused(text, own) return address.refused(address.parse(text), address.set(own or {})) end

spec("address: names must not lead to this machine, its link, groups or reserved space", function()
  for _, text in ipairs({
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "169.254.169.254", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "febf::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0.0.0.0", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::224.0.0.1", "::127.0.0.1",
  }) do
    same(refused(text), true, text)
  end
  for _, text in ipairs({
    "1.1.1.1", "10.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.1.1", "169.255.1.1", "172.16.0.1", "192.168.1.1",
    "223.255.255.255", "2001:db8::1", "fd00::1", "fec0::1", "fe00::1", "::ffff:10.0.0.1", "64:ff9b::8.8.8.8",
    "64:ff9b:1::127.0.0.1",
  }) do
    same(refused(text), false, text)
  end
end)

spec("address: names must not lead to our own addresses, in any form", function()
  local own = { "10.0.0.9", "fd00::9", "::ffff:10.0.0.8", "nonsense" }
  for _, text in ipairs({
    "10.0.0.9", "::ffff:10.0.0.9", "64:ff9b::10.0.0.9", "fd00::9", "fd00:0::9", "10.0.0.8",
  }) do
    same(refused(text, own), true, text)
  end
  same(refused("10.0.0.7", own), false)
end)
