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
