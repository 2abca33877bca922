-- judge.lua holds what comes over the state socket to what is promised: it is applied as a whole or not at all, nothing raises an
-- error, and workers can read what is stored.

local stand_in = require("stand_in")

local M = {}

local ngx, state

-- fresh forgets everything, and gives the state module.
function M.fresh()
  ngx = stand_in.fresh()
  state = require("state")
  state.init("/nonexistent")
  for _, id in ipairs({ "c1", "c2" }) do ngx.shared.sluice_certificates:safe_set(id, '{"certificate":"C","key":"K"}') end
  return state
end

-- dump is all that is stored, but for what only tells how it went.
local function dump()
  local out = {}
  for name, dict in pairs(ngx.shared) do
    for _, key in ipairs(dict:get_keys()) do out[#out + 1] = name .. " " .. key .. " " .. tostring(dict:get(key)) end
  end
  table.sort(out)
  return table.concat(out, "\n")
end

-- use reads everything as workers do.
local function use()
  ngx.time = ngx.time + 1
  local routes = require("routes")
  for _, key in ipairs(ngx.shared.sluice_state:get_keys()) do
    local backend, route = key:match("^backend:(.*)"), key:match("^route:(.*)")
    if backend then assert(state.backend(backend), "a backend is stored that cannot be read") end
    if route then assert(routes.stored(route), "a route is stored that cannot be read") end
  end
  routes.names()
  for _, key in ipairs(ngx.shared.sluice_certificates:get_keys()) do
    local stapled = key:match("^staple:(.*)")
    assert(not stapled and state.certificate(key) or stapled and state.staple(stapled), "a certificate, or a staple, cannot be read")
  end
  state.settings()
  state.status()
end

-- take applies a document, and tells whether it was applied or refused. It raises an error if a promise is broken.
function M.take(document)
  local before, generation = dump(), document.generation
  local ok, status, problem = pcall(state.apply, document)
  assert(ok, status)
  if status == nil then
    same(state.generation(), generation)
  else
    assert(status == 400 or status == 409, status .. " " .. tostring(problem))
    assert(type(problem) == "string", "nothing says why it is refused")
    assert(dump() == before, "it is refused, and has changed something")
  end
  use()
  return status == nil and "applied" or "refused"
end

return M
