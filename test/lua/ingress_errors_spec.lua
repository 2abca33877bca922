-- ingress_errors_spec.lua: where requests go that nobody can answer, and who answers in place of errors.

local stand_in = require("stand_in")

local function endpoints(address) return { endpoints = { { address = address, port = 80 } } } end

local function fresh(with_default)
  local ngx = stand_in.fresh()
  local ingress = require("ingress")
  ingress.init("/nonexistent", { "@proxy", "@503" })
  ingress.init_worker("hash")
  local route = { backend = "empty", fallback = "errors", service = "s", unavailable = "@503", shape = "@proxy" }
  local lonely = { backend = "empty", fallback = "gone", unavailable = "@503", shape = "@proxy" }
  local status, problem = require("state").apply({
    version = 1, generation = 1,
    backends = {
      a = endpoints("10.0.0.1"), empty = {}, errors = endpoints("10.0.0.9"), gone = {},
      ["upstream-default-backend"] = with_default and endpoints("10.0.0.8") or nil,
    },
    routes = { a = { exact = { ["/"] = 0, ["/lonely"] = 1 }, routes = { route, lonely } } },
  })
  same(status, nil, problem)
  ngx.req = { set_header = function(name, value) ngx.sent[name] = value end }
  ngx.send_headers = function() ngx.headers_sent = true end
  ngx.sent = {}
  return ingress, ngx
end

-- ask sends a request with these variables to a handler. It gives the status or the location it ends with, and the peer.
local function ask(ingress, ngx, handler, variables)
  for name in pairs(ngx.var) do ngx.var[name] = nil end
  for name, value in pairs(variables) do ngx.var[name] = value end
  local status = stand_in.call(ngx, handler)
  local jumped = ngx.jumped
  if status then return status end
  stand_in.call(ngx, ingress.balance)
  return jumped, ngx.peer
end

spec("errors: a backend without endpoints has its requests taken by the fallback, which is told why", function()
  local ingress, ngx = fresh()
  local request = { backend = "empty", fallback = "errors", http_accept = "text/html", namespace = "n", ingress_name = "i", service_name = "s", service_port = "80" }
  same({ ask(ingress, ngx, ingress.rewrite, request) }, { [2] = "10.0.0.9:80" })
  same(ngx.sent, {
    ["X-Code"] = "503", ["X-Format"] = "text/html", ["X-Namespace"] = "n", ["X-Ingress-Name"] = "i", ["X-Service-Name"] = "s", ["X-Service-Port"] = "80",
  })
  for _, fallback in ipairs({ "", "gone", "unknown" }) do
    same(ask(ingress, ngx, ingress.rewrite, { backend = "empty", fallback = fallback }), 503)
  end
  ngx.sent = {}
  same({ ask(ingress, ngx, ingress.rewrite, { backend = "a", fallback = "errors" }) }, { [2] = "10.0.0.1:80" })
  same(ngx.sent, {})
end)

spec("errors: so it is for routes", function()
  local ingress, ngx = fresh()
  same({ ask(ingress, ngx, ingress.route, { host = "a", uri = "/" }) }, { "@proxy", "10.0.0.9:80" })
  same(ngx.sent["X-Service-Name"], "s")
  same(ask(ingress, ngx, ingress.route, { host = "a", uri = "/lonely" }), "@503")
end)

spec("errors: the fallback answers in place of an error, else the default backend", function()
  local ingress, ngx = fresh(true)
  same({ ask(ingress, ngx, ingress.error, { error_code = "404", fallback = "errors", location_path = "/" }) }, { [2] = "10.0.0.9:80" })
  same(ngx.status, 200, "what would override the service's status")
  for _, fallback in ipairs({ "", "gone" }) do
    same({ ask(ingress, ngx, ingress.error, { error_code = "404", fallback = fallback, location_path = "/" }) }, { [2] = "10.0.0.8:80" })
  end
end)

spec("errors: without a service it is 404, but for what nobody has placed", function()
  local ingress, ngx = fresh()
  same(ask(ingress, ngx, ingress.error, { error_code = "502", location_path = "/" }), 404)
  same(ngx.var.backend, "upstream-default-backend")
  same(ask(ingress, ngx, ingress.error, { error_code = "413", location_path = "" }), 413)
end)

spec("errors: a body that was not read is not passed on", function()
  local ingress, ngx = fresh()
  local request = { error_code = "413", fallback = "errors", location_path = "/" }
  same(ask(ingress, ngx, ingress.error, request), "@error_without_body")
  request.upstream_status = "413"
  same({ ask(ingress, ngx, ingress.error, request) }, { [2] = "10.0.0.9:80" })
end)

-- CVE-2026-24513: a service that answered 200 for the refusal of an external authentication gave leave.
spec("errors: a request on behalf of another keeps its status", function()
  local ingress, ngx = fresh(true)
  ngx.is_subrequest = true
  for _, handler in ipairs({ ingress.error, ingress.grpc_error }) do
    ngx.status = nil
    same(ask(ingress, ngx, handler, { error_code = "401", fallback = "errors", location_path = "/", http_content_type = "application/grpc" }), 401)
    same(ngx.status, nil)
    same(ngx.headers_sent, nil)
  end
end)

spec("errors: calls of gRPC are told a status of gRPC, all else the error", function()
  local ingress, ngx = fresh()
  for content_type, is_call in pairs({
    ["application/grpc"] = true, ["application/grpc+proto"] = true, ["application/grpc;a=b"] = true,
    ["application/grpc-web"] = false, ["text/html"] = false, ["application/grpcx"] = false,
  }) do
    ngx.header, ngx.headers_sent = {}, nil
    same(ask(ingress, ngx, ingress.grpc_error, { error_code = "504", http_content_type = content_type }), is_call and 200 or 504, content_type)
    same(ngx.headers_sent, is_call or nil)
    same(ngx.header["grpc-status"], is_call and 14 or nil)
  end
  same(ask(ingress, ngx, ingress.grpc_error, { error_code = "404" }), 404)
end)

spec("errors: statuses of HTTP as clients of gRPC take them", function()
  local grpc = require("grpc")
  for code, want in pairs({ [400] = 13, [401] = 16, [403] = 7, [404] = 12, [408] = 2, [413] = 8, [429] = 14, [500] = 2, [502] = 14, [503] = 14, [504] = 14 }) do
    same({ grpc.status(code) }, { want, "HTTP status " .. code })
  end
end)
