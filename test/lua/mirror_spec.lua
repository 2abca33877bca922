-- mirror_spec.lua: what copies of requests say, and how many there are.

local stand_in = require("stand_in")

local function fresh()
  local ngx = stand_in.fresh()
  ngx.HTTP_NO_CONTENT, ngx.WARN = 204, "warn"
  local mirror = require("mirror")
  return mirror, ngx
end

local function copy(changes)
  local c = { method = "GET", uri = "/a?b", name = "shadow.test", left_out = "Authorization", headers = { { "X-Real-IP", "10.0.0.1" } } }
  for key, value in pairs(changes or {}) do c[key] = value end
  return c
end

-- lines gives what a head says, as a set, or nil.
local function lines(text)
  if not text then return nil end
  local set = {}
  assert(text:sub(-4) == "\r\n\r\n", "the head has no end")
  for line in text:sub(1, -5):gmatch("[^\r\n]+") do set[#set + 1] = line end
  table.sort(set, function(a, b) return a < b end)
  return table.concat(set, "|")
end

spec("mirror: a copy has the client's headers, but for those of a connection and those that services believe proxies", function()
  local mirror = fresh()
  local headers = {
    Host = "a", connection = { "close, X-Hop", "X-Other" }, ["X-Hop"] = "1", ["x-other"] = "1", Accept = { "a/b", "c/d" }, AUTHORIZATION = "secret",
    ["X-Forwarded-User"] = "root", ["ssl-client-verify"] = "SUCCESS", ["x-original-url"] = "/", ["X-Real-IP"] = "6.6.6.6",
    ["Transfer-Encoding"] = "chunked", ["Content-Length"] = "5", Upgrade = "websocket", Expect = "100-continue", Proxy = "http://a",
  }
  same(lines(mirror.head(copy(), headers)), "Accept: a/b|Accept: c/d|Connection: close|GET /a?b HTTP/1.1|Host: shadow.test|X-Real-IP: 10.0.0.1")
end)

spec("mirror: the length is that of the body that goes with it", function()
  local mirror = fresh()
  same(lines(mirror.head(copy({ method = "POST", headers = {} }), { ["Content-Length"] = "5" }, 7)), "Connection: close|Content-Length: 7|Host: shadow.test|POST /a?b HTTP/1.1")
  same(lines(mirror.head(copy({ method = "POST", headers = {} }), { ["Content-Length"] = "5" })), "Connection: close|Content-Length: 0|Host: shadow.test|POST /a?b HTTP/1.1")
  same(lines(mirror.head(copy({ headers = {}, uri = "x" }), {})), "Connection: close|GET /x HTTP/1.1|Host: shadow.test")
end)

spec("mirror: what would end a line is not written", function()
  local mirror = fresh()
  for _, text in ipairs({ "/a b", "/a\r\nX: y", "/\0" }) do same(mirror.head(copy({ uri = text }), {}), nil) end
  same(mirror.head(copy({ name = "a\r\nX: y" }), {}), nil)
  same(lines(mirror.head(copy({ headers = {} }), { ["X-A"] = "b\r\nX-C: d" })), "Connection: close|GET /a?b HTTP/1.1|Host: shadow.test")
end)

-- send copies a request and gives how many copies wait to be sent.
local function send(mirror, ngx)
  for name, value in pairs({ request_method = "GET", mirror_host = "10.0.0.9", mirror_port = "80", mirror_uri = "/", mirror_name = "m", mirror_left_out = "" }) do
    ngx.var[name] = value
  end
  ngx.req = { get_body_file = function() return nil end, get_headers = function() return {} end }
  same(stand_in.call(ngx, mirror.copy), 204)
  return #ngx.timers
end

spec("mirror: a worker has so many copies under way, and takes more when they are through", function()
  local mirror, ngx = fresh()
  local connected = {}
  ngx.socket = { tcp = function()
    return {
      settimeouts = function() end, close = function() end, receiveany = function() return nil end,
      connect = function(_, host, port)
        connected[#connected + 1] = host .. ":" .. port
        return true
      end,
      send = function() return true end,
    }
  end }
  for n = 1, 128 do same(send(mirror, ngx), n) end
  same(send(mirror, ngx), 128)
  same(#ngx.logged, 1)
  stand_in.run_timers(ngx)
  same(#connected, 128)
  same(connected[1], "10.0.0.9:80")
  same(send(mirror, ngx), 1)
end)

spec("mirror: no copy goes to this machine, whatever the target says", function()
  local mirror, ngx = fresh()
  ngx.socket = { tcp = function() return { close = function() end, connect = function() error("it connects") end } end }
  send(mirror, ngx)
  ngx.timers[1][2].host = "127.0.0.1"
  stand_in.run_timers(ngx)
  same(#ngx.logged, 1)
end)
