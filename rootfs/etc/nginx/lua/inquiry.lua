-- inquiry.lua asks services whether requests may pass, in subrequests of theirs, and finds the services that annotations name.
--
-- It never lets a request pass itself: where there is nobody to ask, or nobody answers, nobody passes.

local nginx = require("ngx.balancer")
local address = require("address")
local resolver = require("resolver")
local state = require("state")

local var, exit, log = ngx.var, ngx.exit, ngx.log
local concat, random = table.concat, math.random

-- NGX_BUSY: "no live upstreams", which NGINX answers with 502; ngx.ERROR would be 500.
local BUSY = -3

local M = {}

-- adopt gives a subrequest, which has none, the arguments of its client's, before anything reads them. It returns the
-- client's URI with all that means something in a query escaped.
function M.adopt()
  local uri = var.request_uri
  var.args = uri:match("%?(.*)$") or ""
  return ngx.escape_uri(uri)
end

-- addresses gives those of a service, a name or an address, as bytes; nil if none is allowed. It may wait.
function M.addresses(host)
  local literal = address.parse(host)
  if literal then
    local own = address.set(state.settings().own_addresses or {})
    return not address.refused(literal, own) and { literal } or nil
  end
  resolver.ensure(host, state.settings)
  local record = resolver.lookup(host)
  return record and record.addresses
end

-- Beside what an Ingress says, these tell questions from each other: whose they are, what is asked and by whom.
local PARTS = {
  "namespace", "ingress_name", "host", "location_path", "path_type", "request_method",
  "inquiry_host", "inquiry_port", "inquiry_uri",
  "http_authorization", "http_cookie", "ssl_client_fingerprint",
}

-- remember has the answer looked up, and kept, under a hash of all that the question depends on: credentials are on no disk
-- then. Each part has its length before it, so that none can pass for another's end. A request in which nothing is that the
-- Ingress tells clients apart by is asked about.
local function remember(location)
  local own = var.inquiry_key
  if not own then return end
  if own == "" then
    var.inquiry_unknown = "1"
    return
  end
  local parts = { location, #own .. ":" .. own }
  for i, name in ipairs(PARTS) do
    local value = var[name] or ""
    parts[i + 2] = #value .. ":" .. value
  end
  var.inquiry_digest = ngx.encode_base64(ngx.sha1_bin(concat(parts, " ")))
end

-- ask finds whom to ask: $inquiry_host, a name or an address. The location's name is a hash of all its settings.
function M.ask()
  local host, location = var.inquiry_host, var.uri
  if var.inquiry_digest then remember(location) end
  local addresses = M.addresses(host)
  if not addresses then
    log(ngx.ERR, "nobody to ask whether a request may pass: ", ngx.escape_uri(host), " has no address that is allowed")
    return exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
  end
  ngx.ctx.inquiry = {
    addresses = addresses, at = random(#addresses), port = tonumber(var.inquiry_port),
    idle = tonumber(var.inquiry_idle), uses = tonumber(var.inquiry_uses), group = location .. host,
  }
end

-- balance chooses the peer for one try. Connections that are kept are for the same settings and the same name only.
function M.balance()
  local inquiry = ngx.ctx.inquiry
  if not inquiry then return exit(BUSY) end
  local count = #inquiry.addresses
  if count > 1 and not nginx.get_last_failure() then nginx.set_more_tries(count - 1) end
  inquiry.at = inquiry.at % count + 1
  local ok, problem = nginx.set_current_peer(address.for_nginx(inquiry.addresses[inquiry.at]), inquiry.port, inquiry.group)
  if ok and inquiry.idle then ok, problem = nginx.enable_keepalive(inquiry.idle, inquiry.uses) end
  if not ok then
    log(ngx.ERR, "cannot ask whether a request may pass: ", problem)
    return exit(BUSY)
  end
end

return M
