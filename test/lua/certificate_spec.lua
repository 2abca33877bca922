-- certificate_spec.lua: which certificate a name gets, and that trouble never reaches the client or the log.

local stand_in = require("stand_in")

local TABLE = { ["a.example.com"] = "exact", ["*.example.com"] = "wild", ["*.com"] = "top" }

local function lookup(host) return TABLE[host] end

spec("certificate: exact before wildcard, one label, any case, one trailing dot", function()
  stand_in.fresh()
  local find = require("certificate").find
  for name, want in pairs({
    ["a.example.com"] = "exact",
    ["A.Example.COM"] = "exact",
    ["a.example.com."] = "exact",
    ["b.example.com"] = "wild",
    ["B.example.com."] = "wild",
    ["example.com"] = "top",
    ["x.b.example.com"] = false,
    ["a.example.com.."] = false,
    ["com"] = false,
    [".com"] = false,
    [""] = false,
    ["."] = false,
  }) do
    same(find(name, lookup) or false, want, name)
  end
end)

-- served gives what a connection for a name got, in the order it was set.
local function served(name, change)
  local calls = {}
  local ssl = {
    server_name = function() return name end,
    parse_pem_cert = function(pem) return pem ~= "BROKEN" and "chain " .. pem or nil end,
    parse_pem_priv_key = function(pem) return "key " .. pem end,
    clear_certs = function()
      calls[#calls + 1] = "clear"
      return true
    end,
    set_cert = function(chain)
      calls[#calls + 1] = chain
      return true
    end,
    set_priv_key = function(key)
      calls[#calls + 1] = key
      return true
    end,
  }
  for key, value in pairs(change or {}) do ssl[key] = value end
  local ngx = stand_in.fresh({ ssl = ssl })
  local certificate = require("certificate")
  local state = require("state")
  state.init("/nonexistent")
  same(state.apply({
    version = 1, generation = 1,
    certificates = { one = { certificate = "PEM", key = "SECRET" }, two = { certificate = "BROKEN", key = "SECRET" } },
    hosts = { ["a.example.com"] = "one", ["b.example.com"] = "two", ["c.example.com"] = "one" },
  }), nil)
  ngx.shared.sluice_state:safe_set("host:d.example.com", "lost")
  certificate.serve()
  certificate.serve()
  return calls, table.concat(ngx.logged, "\n")
end

spec("certificate: the chain and key of the host are set, the default removed", function()
  local calls, logged = served("a.example.com")
  same(calls, { "clear", "chain PEM", "key SECRET", "clear", "chain PEM", "key SECRET" })
  same(logged, "")
end)

spec("certificate: no name or an unknown one leaves the default", function()
  same(served(nil), {})
  same(served("x.org"), {})
end)

spec("certificate: what cannot be used leaves the default, and is logged once without the secret", function()
  for _, name in ipairs({ "b.example.com", "d.example.com" }) do
    local calls, logged = served(name)
    same(calls, {})
    assert(logged:find("cannot be used"), logged)
    assert(not logged:find("SECRET") and not logged:find("BROKEN") and not logged:find("\n"), logged)
  end
  local _, logged = served("a.example.com", { set_cert = function() return nil, "no" end })
  assert(logged:find("cannot be set: no"), logged)
end)

-- stapled gives what a client is told that asks for these names, with staples of the certificates one and default.
local function stapled(names, change)
  local function yes() return true end
  local asked
  local ngx = stand_in.fresh({ ssl = {
    server_name = function() return asked end, parse_pem_cert = function(pem) return pem ~= "BROKEN" and pem or nil end,
    parse_pem_priv_key = yes, clear_certs = yes, set_cert = yes, set_priv_key = yes,
  } })
  local certificate, state = require("certificate"), require("state")
  state.init("/nonexistent")
  local document = {
    version = 1, generation = 1,
    certificates = { one = { certificate = "PEM", key = "K" }, two = { certificate = "PEM", key = "K" }, bad = { certificate = "BROKEN", key = "K" } },
    hosts = { ["a.example.com"] = "one", ["b.example.com"] = "two", ["c.example.com"] = "bad" },
    staples = { one = { response = "b25l", ["until"] = 2000 }, default = { response = "ZGVmYXVsdA==", ["until"] = 3000 } },
  }
  same(state.apply(document), nil)
  if change then change(state, ngx) end
  local told = {}
  for _, name in ipairs(names) do
    asked, ngx.stapled = name ~= "" and name or nil, nil
    certificate.serve("default")
    told[#told + 1] = ngx.stapled or "-"
  end
  return table.concat(told, " "), ngx
end

local NAMES = { "a.example.com", "b.example.com", "c.example.com", "x.org", "" }

spec("staples: what the issuer says of a certificate goes with that certificate and no other", function()
  same(stapled(NAMES), "one - default default default")
end)

spec("staples: none is given out when its time is over", function()
  same(stapled(NAMES, function(_, ngx) ngx.time = 2000 end), "- - default default default")
  same(stapled(NAMES, function(state, ngx)
    ngx.time = 2500
    same(state.apply({ version = 1, generation = 2, staples = { two = { response = "dHdv", ["until"] = 2500 } } }), nil)
  end), "- - default default default")
end)

spec("staples: they are replaced, removed and dropped by a reset", function()
  same(stapled(NAMES, function(state)
    same(state.apply({ version = 1, generation = 2, staples = { one = { response = "dHdv", ["until"] = 2000 } } }), nil)
  end), "two - default default default")
  same(stapled(NAMES, function(state)
    same(state.apply({ version = 1, generation = 2, removed = { staples = { "one", "none" } } }), nil)
  end), "- - default default default")
  same(stapled(NAMES, function(state)
    same(state.apply({
      version = 1, generation = 2, reset = true, certificates = { one = { certificate = "PEM", key = "K" } }, hosts = { ["a.example.com"] = "one" },
      staples = { default = { response = "b25l", ["until"] = 2000 } },
    }), nil)
  end), "- one one one one")
end)

spec("staples: one that does not fit, or cannot be set, costs nobody anything else", function()
  local told, ngx = stapled({ "a.example.com" }, function(state, ngx)
    local set = ngx.shared.sluice_certificates.safe_set
    function ngx.shared.sluice_certificates:safe_set(key, ...)
      if key:find("^staple:") then return false, "no memory" end
      return set(self, key, ...)
    end
    same(state.apply({ version = 1, generation = 2, staples = { two = { response = "dHdv", ["until"] = 2000 } } }), nil)
    same(state.is_incomplete(), false)
    ngx.unstapled = "no"
  end)
  same(told, "one")
  assert(ngx.logged[1]:find("certificate two is not kept: no memory"), ngx.logged[1])
  assert(ngx.logged[2]:find("certificate one cannot be set: no"), ngx.logged[2])
end)

spec("staples: a document with a bad one is refused", function()
  stand_in.fresh()
  local state = require("state")
  state.init("/nonexistent")
  for _, staples in ipairs({
    "x", { one = "x" }, { one = { response = "b25l" } }, { one = { response = "b25", ["until"] = 1 } }, { one = { response = "", ["until"] = 1 } },
    { one = { response = "b2\n=", ["until"] = 1 } }, { one = { response = "b25l", ["until"] = -1 } }, { one = { response = "b25l", ["until"] = 1.5 } },
    { one = { response = ("b25l"):rep(6145), ["until"] = 1 } }, { one = { response = 1, ["until"] = 1 } },
  }) do
    same((state.apply({ version = 1, generation = 1, staples = staples })), 400)
  end
end)
