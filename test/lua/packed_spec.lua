-- packed_spec.lua: what is written once of an entry, and that nothing of it is lost.

local packed = require("packed")

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = copy(v) end
  return out
end

spec("packed: what all routes have in common is there once, and comes back", function()
  for _, case in ipairs({
    { { { shape = "@a", path = "/" }, { shape = "@a", path = "/b" } }, { { path = "/" }, { path = "/b" } }, { shape = "@a" } },
    { { { shape = "@a", limit = 1 }, { shape = "@a" } }, { { limit = 1 }, {} }, { shape = "@a" } },
    { { { shape = "@a" }, { shape = "@a", limit = 1 } }, { {}, { limit = 1 } }, { shape = "@a" } },
    { { { late = true }, { late = true }, { late = true } }, { {}, {}, {} }, { late = true } },
    { { { late = true }, { late = false } }, { { late = true }, { late = false } }, nil },
    { { { shape = "@a" }, { shape = "@a" }, { shape = "@b" } }, { { shape = "@a" }, { shape = "@a" }, { shape = "@b" } }, nil },
    { { { shape = "@a" } }, { { shape = "@a" } }, nil }, -- one alone would only get longer
    { { {}, {} }, { {}, {} }, nil },
    { {}, {}, nil },
  }) do
    local routes, want, common = case[1], case[2], case[3]
    local host = packed.pack({ server_name = "a", routes = copy(routes) })
    same(host, { server_name = "a", routes = want, common = common })
    same(packed.unpack(host), { server_name = "a", routes = routes })
  end
end)

spec("packed: tables are left where they are, even one for all", function()
  local jump = { shape = "@a" }
  local host = { routes = { { slash = jump }, { slash = jump } } }
  same(packed.pack(copy(host)), host)
  host.routes[2].slash = jump
  same(packed.pack({ routes = { { slash = jump }, { slash = jump } } }), host)
end)

spec("packed: entries without routes stay as they are", function()
  for _, host in ipairs({ { same_as = "b" }, { all = { shape = "@a" } }, {} }) do
    same(packed.unpack(packed.pack(copy(host))), host)
  end
end)
