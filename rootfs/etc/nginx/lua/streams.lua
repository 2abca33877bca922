-- streams.lua tells stream.js the endpoints of TCP and UDP services and of TLS that is passed through. NGINX's two halves share
-- no memory, so this goes over a socket of NGINX's own, one document for each backend.
--
-- It never decides anything: what is to be told stands in the state.

local cjson = require("cjson")
local dictionary = require("dictionary")

local TIMEOUT = 2000 -- milliseconds
local stored = dictionary.kind("backend")

local M = {}

local socket -- path; nil if the configuration has no streams

-- is_stream tells whether a backend is one of streams. In names of others there is no slash.
function M.is_stream(name) return name:find("/", 1, true) ~= nil end

-- tell sends a document and gives nil, or what is wrong.
local function tell(document)
  local connection = ngx.socket.tcp()
  connection:settimeout(TIMEOUT)
  local ok, problem = connection:connect("unix:" .. socket)
  if not ok then return problem end
  ok, problem = connection:send(cjson.encode(document) .. "\n")
  local answer
  if ok then answer, problem = connection:receive("*l") end
  connection:close()
  if answer == "ok" then return nil end
  return answer or problem
end

local function tell_about(name)
  local generation = stored.generation(name)
  if not generation then return tell({ backend = name, gone = true, generation = ngx.shared.sluice_state:get("generation") }) end
  local backend = cjson.decode(stored.text(name) or "{}")
  return tell({ backend = name, generation = generation, endpoints = backend.endpoints })
end

-- publish tells what an update that has been applied says of streams. It gives nil, or what is wrong.
function M.publish(document)
  if not socket then return nil end
  local names = {}
  for name in pairs(document.backends or {}) do names[#names + 1] = name end
  for _, name in ipairs(document.removed and document.removed.backends or {}) do names[#names + 1] = name end
  for _, name in ipairs(names) do
    local problem = M.is_stream(name) and tell_about(name)
    if problem then return "the endpoints of " .. name .. ": " .. problem end
  end
  return nil
end

-- publish_all tells everything: a configuration that is the first with streams has an empty zone.
local function publish_all(is_premature)
  if is_premature then return end
  for _, key in ipairs(ngx.shared.sluice_state:get_keys(0)) do
    local name = stored.of(key)
    local problem = name and M.is_stream(name) and tell_about(name)
    if problem then
      ngx.log(ngx.ERR, "the endpoints of ", name, " cannot be told: ", problem)
      ngx.timer.at(1, publish_all)
      return
    end
  end
end

-- init_worker begins to tell what is there, and what comes. path is that of the socket, nil without streams.
function M.init_worker(path)
  socket = path
  if path and ngx.worker.id() == 0 then ngx.timer.at(0, publish_all) end
end

return M
