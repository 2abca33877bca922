-- ingress_inquiries_spec.lua: whom workers ask whether a request may pass.

local stand_in = require("stand_in")

local function fresh()
  local ngx = stand_in.fresh()
  local ingress = require("ingress")
  ingress.init("/nonexistent", {})
  ingress.init_worker("hash")
  ngx.ctx = {}
  return ingress, ngx
end

-- ask gives the status that a request ends with, or the peer.
local function ask(ingress, ngx, host)
  ngx.ctx = {}
  ngx.var.inquiry_host, ngx.var.inquiry_port, ngx.var.request_uri = host, "8080", "/a?b=c"
  ngx.var.uri = ":hash"
  ingress.adopt()
  local status = stand_in.call(ngx, ingress.inquire)
  if status then return status end
  stand_in.call(ngx, ingress.balance_inquiry)
  return ngx.peer
end

spec("inquiries: an address is asked, with the arguments of the client's request", function()
  local ingress, ngx = fresh()
  same(ask(ingress, ngx, "10.0.0.1"), "10.0.0.1:8080")
  same(ngx.var.args, "b=c")
end)

spec("inquiries: nobody passes where the address is not allowed", function()
  local ingress, ngx = fresh()
  for _, host in ipairs({ "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1" }) do same(ask(ingress, ngx, host), 500) end
end)

-- key gives what an answer would be remembered under, with variables of a request.
local function key(ingress, ngx, variables)
  for name in pairs(ngx.var) do ngx.var[name] = nil end
  ngx.var.inquiry_digest, ngx.var.inquiry_key, ngx.var.host = "", "k", "a"
  for name, value in pairs(variables) do ngx.var[name] = value end
  same(ask(ingress, ngx, "10.0.0.1"), "10.0.0.1:8080")
  return ngx.var.inquiry_digest
end

spec("inquiries: answers are remembered apart by whatever tells questions and clients from each other", function()
  local ingress, ngx = fresh()
  ngx.sha1_bin, ngx.encode_base64 = function(text) return text end, function(text) return text end
  local keys = { [key(ingress, ngx, {})] = "nothing" }
  for _, name in ipairs({
    "inquiry_key", "namespace", "ingress_name", "host", "location_path", "path_type", "request_method", "inquiry_uri",
    "http_authorization", "http_cookie", "ssl_client_fingerprint",
  }) do
    local made = key(ingress, ngx, { [name] = "x" })
    same(keys[made], nil, name)
    keys[made] = name
  end
  assert(key(ingress, ngx, { http_authorization = "a", http_cookie = "b" }) ~= key(ingress, ngx, { http_authorization = "a 1:b" }))
  same(key(ingress, ngx, { inquiry_key = "" }), "")
  same(ngx.var.inquiry_unknown, "1")
end)
