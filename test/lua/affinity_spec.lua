-- affinity_spec.lua: what the cookie looks like, and whose it is.

local affinity = require("affinity")

local function document(change)
  local out = { cookie = { name = "route" }, ingresses = { "shop/web" }, key = "k", id = "ours", former_id = "former" }
  for name, value in pairs(change or {}) do out[name] = value end
  return out
end

local function text(cookie, variables)
  cookie.name = cookie.name or "route"
  local expiry = function(seconds) return "in " .. seconds end
  return affinity.text(affinity.prepare(document({ cookie = cookie })), "t", variables or { location_path = "/a" }, expiry)
end

spec("affinity: the attributes of the cookie are in the order of ingress-nginx", function()
  same(text({}), "route=t|ours; Path=/a; HttpOnly")
  same(text({ expires = 60, max_age = 0, domain = "example.com", path = "/x", secure = true, same_site = "Lax" }),
    "route=t|ours; Expires=in 60; Max-Age=0; Domain=example.com; Path=/x; Secure; HttpOnly; SameSite=Lax")
  same(text({ max_age = -2147483647 }), "route=t|ours; Max-Age=-2147483647; Path=/a; HttpOnly")
end)

spec("affinity: over https the cookie is Secure", function()
  same(text({}, { location_path = "/", https = "on" }), "route=t|ours; Path=/; Secure; HttpOnly")
  same(text({}, { location_path = "/", https = "" }), "route=t|ours; Path=/; HttpOnly")
end)

spec("affinity: a path of an Ingress does not get out of its attribute", function()
  same(text({}, { location_path = "/a;Domain=evil" }), "route=t|ours; Path=/a; HttpOnly")
  same(text({}, {}), "route=t|ours; Path=; HttpOnly")
end)

spec("affinity: SameSite=None is left out for browsers that take it for Strict", function()
  local mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) "
  for agent, is_left_out in pairs({
    ["Mozilla/5.0 Chrome/51.0"] = true, ["Mozilla/5.0 Chrome/66.0"] = true, ["Mozilla/5.0 Chrome/70.0"] = false,
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 12_2 like Mac OS X)"] = true, ["Mozilla/5.0 (iPhone; CPU iPhone OS 13_0)"] = false,
    ["Mozilla/5.0 (iPad; CPU OS 12_4 like Mac OS X)"] = true, [mac .. "Version/12.1 Safari/605.1.15"] = true,
    [mac .. "Chrome/80.0 Safari/605.1.15"] = false, ["curl/8"] = false,
  }) do
    local variables = { location_path = "/", http_user_agent = agent }
    local got = text({ same_site = "None", conditional_same_site_none = true }, variables)
    same(not got:find("SameSite=None", 1, true), is_left_out, agent)
    assert(text({ same_site = "None" }, variables):find("SameSite=None", 1, true), agent)
    assert(text({ same_site = "Lax", conditional_same_site_none = true }, variables):find("SameSite=Lax", 1, true), agent)
  end
end)

spec("affinity: a cookie is ours, of ingress-nginx's backend, or somebody else's", function()
  local prepared = affinity.prepare(document())
  local hex = ("0a"):rep(16)
  same({ affinity.read(prepared, "t|ours") }, { "t", "ours" })
  same({ affinity.read(prepared, "1.2.3|former") }, { "1.2.3", "former" })
  same({ affinity.read(prepared, hex .. "|" .. hex) }, { hex, "lost" })
  same({ affinity.read(prepared, "t|other") }, { "t", "foreign" })
  same({ affinity.read(prepared, "garbage") }, { "garbage", "foreign" })
  same({ affinity.read(prepared, "") }, { "", "foreign" })
  same({ affinity.read(affinity.prepare({ cookie = { name = "a" }, ingresses = {}, key = "k", id = "i" }), "t|") }, { "t", "foreign" })
  same(affinity.belongs(prepared, { cookie_route = "t|ours" }), true)
  same(affinity.belongs(prepared, { cookie_route = "t|former" }), true)
  same(affinity.belongs(prepared, { cookie_route = "t" }), false)
  same(affinity.belongs(prepared, {}), false)
end)

spec("affinity: a cookie takes the place of an earlier one of its name", function()
  same(affinity.among(nil, "a=1; Path=/"), { "a=1; Path=/" })
  same(affinity.among("b=2", "a=1"), { "b=2", "a=1" })
  same(affinity.among({ "a=0; Path=/", "b=2", "aa=3" }, "a=1"), { "b=2", "aa=3", "a=1" })
end)

spec("affinity: what cannot be used is refused", function()
  same(affinity.check(document()), nil)
  for problem, change in pairs({
    ["the affinity has a bad key"] = { key = "" },
    ["the affinity has a bad id"] = { id = "a;b" },
    ["the affinity has a bad former_id"] = { former_id = 1 },
    ["the affinity has a bad persistent"] = { persistent = "yes" },
    ["the affinity has bad ingresses"] = { ingresses = { 1 } },
    ["the affinity has no cookie"] = { cookie = 1 },
    ["the cookie has a bad name"] = { cookie = { name = "a=b" } },
    ["the cookie has a bad path"] = { cookie = { name = "a", path = "/a\r\nX: y" } },
    ["the cookie has a bad domain"] = { cookie = { name = "a", domain = "a;b" } },
    ["the cookie has a bad expires"] = { cookie = { name = "a", expires = 1.5 } },
    ["the cookie has a bad max_age"] = { cookie = { name = "a", max_age = 2 ^ 40 } },
    ["the cookie has a bad same_site"] = { cookie = { name = "a", same_site = "none" } },
    ["the cookie has a bad secure"] = { cookie = { name = "a", secure = 1 } },
  }) do
    same(affinity.check(document(change)), problem)
  end
  same(affinity.check("x"), "affinity is not an object")
end)
