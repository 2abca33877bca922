-- fixtures_spec.lua: the documents the Go side's tests wrote are documents this side takes.

local cjson = require("cjson")
local stand_in = require("stand_in")

-- prepared copies routes, with something done to each alternative.
local function prepared(routes, prepare)
  local out = {}
  for server, paths in pairs(routes or {}) do
    for path, list in pairs(paths) do
      for i, alternative in ipairs(list) do
        out[server .. " " .. path .. " " .. i] = prepare and prepare(alternative) or alternative
      end
    end
  end
  return out
end

-- as_asked copies an entry of routes, with its alternatives as they are asked.
local function as_asked(host)
  local copy = cjson.decode(cjson.encode(host))
  for _, route in ipairs(copy.routes or {}) do
    for i, alternative in ipairs(route.alternatives or {}) do route.alternatives[i] = require("alternatives").prepare(alternative) end
  end
  return copy
end

local list = io.popen("ls nginx/dynamic/testdata/*.json 2>/dev/null")
for path in list:lines() do
  spec("fixtures: " .. path, function()
    local file = assert(io.open(path))
    local document = cjson.decode(file:read("*a"))
    file:close()
    stand_in.fresh()
    local state = require("state")
    state.init("/nonexistent")
    local ids = {}
    for _, id in pairs(document.hosts or {}) do ids[id] = true end
    for id in pairs(ids) do ngx.shared.sluice_certificates:safe_set(id, "{}") end
    local status, problem = state.apply(document)
    same(status, nil, problem)
    for name, backend in pairs(document.backends or {}) do
      local entry = state.backend(name)
      same(entry.endpoints or {}, backend.endpoints or {})
      same(entry.names or {}, backend.names or {})
      same(prepared(entry.routes), prepared(backend.routes, require("alternatives").prepare))
      same({ entry.balance, entry.hash_by }, { backend.balance, backend.hash_by })
      same(entry.affinity, backend.affinity and require("affinity").prepare(backend.affinity))
    end
    for host, id in pairs(document.hosts or {}) do same(state.host(host), id) end
    for id, staple in pairs(document.staples or {}) do same(state.staple(id), ngx.decode_base64(staple.response)) end
    for key, host in pairs(document.routes or {}) do
      local stored = require("routes").stored(key)
      stored.generation = nil
      same(stored, as_asked(host))
    end
    for i, name in ipairs(document.names or {}) do
      local read = require("routes").names()[i]
      same({ read.key, read.host }, { name.key, name.host })
    end
  end)
end
list:close()
