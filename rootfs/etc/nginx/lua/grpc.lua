-- grpc.lua says in gRPC what NGINX says in HTTP.
--
-- Statuses are those that clients would take HTTP's for (grpc/grpc, doc/http-grpc-status-mapping.md), but for what is too
-- much, which is told as such. It is pure.

local INTERNAL, UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED = 13, 16, 7, 12
local UNAVAILABLE, RESOURCE_EXHAUSTED, UNKNOWN = 14, 8, 2

local STATUSES = {
  [400] = INTERNAL,
  [401] = UNAUTHENTICATED,
  [403] = PERMISSION_DENIED,
  [404] = UNIMPLEMENTED,
  [413] = RESOURCE_EXHAUSTED,
  [429] = UNAVAILABLE,
  [502] = UNAVAILABLE,
  [503] = UNAVAILABLE,
  [504] = UNAVAILABLE,
}

local M = {}

-- is_call tells whether a request with this Content-Type, which may be nil, is one of gRPC.
function M.is_call(content_type) return content_type ~= nil and content_type:find("^application/grpc%f[+;%z]") ~= nil end

-- status gives the grpc-status and the grpc-message for a status of HTTP.
function M.status(code) return STATUSES[code] or UNKNOWN, "HTTP status " .. code end

return M
