-- control.lua answers on the socket that the controller talks to: it takes updates and says what is there.
--
-- It never gives out a certificate or its key, and decides nothing about an update: state.lua does.

local certificate = require("certificate")
local routes = require("routes")
local state = require("state")
local streams = require("streams")

local LARGE = 2 ^ 20 -- bytes of a document; what it leaves behind is worth collecting at once

local M = {}

local function body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if text then return text end
  local path = ngx.req.get_body_file()
  local file = path and io.open(path, "rb")
  if not file then return "" end
  text = file:read("*a")
  file:close()
  return text
end

-- apply gives the size of a document, and nil if it was applied, else a status and what is wrong.
local function apply(text)
  local document = state.decode(text)
  if not document then return #text, 400, "the document is no JSON object" end
  local status, problem = state.apply(document, certificate.check)
  if status then return #text, status, problem end
  problem = streams.publish(document)
  return #text, problem and 502, problem
end

local function post_state()
  local size, status, problem = apply(body())
  if size > LARGE then collectgarbage() end
  if not status then return 200, { generation = state.generation() } end
  if status == 400 then return 400, { error = problem } end
  -- With reset, nothing but a document with reset will do.
  return status, { error = problem, generation = state.generation(), reset = state.is_incomplete() or nil }
end

local function post_staying()
  local document = state.decode(body())
  local configuration = document and document.configuration
  if type(configuration) ~= "string" then return 400, { error = "no configuration is named" } end
  local problem = state.stay(configuration)
  if problem then return 507, { error = problem } end
  return 200, {}
end

local function post_spans()
  local document = state.decode(body())
  local most = document and document.most
  if type(most) ~= "number" then return 400, { error = "it is not said how many spans are wanted" } end
  local tracer = rawget(_G, "tracing")
  if not tracer then return 404, { error = "there is no tracing" } end
  local spans, dropped = tracer.take(most)
  return 200, { spans = #spans > 0 and spans or nil, dropped = dropped }
end

local function get_status() return 200, state.status() end

local function get_backend(name)
  local entry = state.stored_backend(name)
  if not entry then return 404, { error = "no such backend" } end
  local affinity = entry.affinity
  return 200, {
    generation = entry.generation, endpoints = entry.endpoints, names = entry.names, routes = entry.routes, balance = entry.balance,
    hash_by = entry.hash_by, affinity = affinity and { cookie = affinity.cookie, ingresses = affinity.ingresses },
  }
end

-- get_route takes a key as a URL has it: keys that are patterns may look like anything, so NGINX must not tidy them up.
local function get_route(escaped)
  local key = escaped:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  local entry = routes.stored(key)
  if not entry then return 404, { error = "no such route" } end
  return 200, entry
end

-- answer_for gives the method a path wants, what answers it, and an argument.
local function answer_for(path, original)
  if path == "/v1/state" then return "POST", post_state end
  if path == "/v1/staying" then return "POST", post_staying end
  if path == "/v1/spans" then return "POST", post_spans end
  if path == "/v1/status" then return "GET", get_status end
  local name = path:match("^/v1/backends/(.+)$")
  if name then return "GET", get_backend, name end
  local key = original:match("^/v1/routes/([^?]+)")
  if key then return "GET", get_route, key end
  return nil
end

-- serve answers the present request.
function M.serve()
  local method, answer, argument = answer_for(ngx.var.uri, ngx.var.request_uri)
  local status, document
  if not method then
    status, document = 404, { error = "no such path" }
  elseif ngx.req.get_method() ~= method then
    ngx.header["Allow"] = method
    status, document = 405, { error = "the method is not " .. method }
  else
    status, document = answer(argument)
  end
  local text = state.encode(document)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text + 1
  ngx.say(text)
  return ngx.exit(ngx.HTTP_OK)
end

return M
