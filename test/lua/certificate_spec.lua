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
