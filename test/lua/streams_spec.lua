-- streams_spec.lua: what stream.js is told of, and when. That it listens is tested on NGINX.

local cjson = require("cjson")
local stand_in = require("stand_in")

-- fresh gives the module and the list of documents that it sends. With a problem, nobody takes them.
local function fresh(problem)
  local ngx = stand_in.fresh()
  local sent = {}
  ngx.socket = { tcp = function()
    local connection = {}
    function connection:settimeout() end
    function connection:close() end
    function connection:connect(path)
      same(path, "unix:/run/body/streams.sock")
      return not problem, problem
    end
    function connection:send(text)
      same(text:sub(-1), "\n")
      sent[#sent + 1] = cjson.decode(text)
      return true
    end
    function connection:receive() return "ok" end
    return connection
  end }
  require("state").init("/nonexistent")
  return require("streams"), sent, ngx
end

local function apply(generation, fields)
  local document = { version = 1, generation = generation }
  for key, value in pairs(fields) do document[key] = value end
  same(require("state").apply(document), nil)
  return document
end

local ECHO = { endpoints = { { address = "10.0.0.1", port = 9000 }, { address = "fd00::1", port = 9000 } } }

spec("streams: updates are told of streams, and of nothing else", function()
  local streams, sent = fresh()
  streams.init_worker("/run/body/streams.sock")
  same(streams.publish(apply(1, { backends = { ["tcp/shop_echo_9000"] = ECHO, shop_web_80 = ECHO } })), nil)
  same(sent, { { backend = "tcp/shop_echo_9000", generation = 1, endpoints = ECHO.endpoints } })
  same(streams.publish(apply(2, { removed = { backends = { "tcp/shop_echo_9000", "shop_web_80" } } })), nil)
  same(sent[2], { backend = "tcp/shop_echo_9000", generation = 2, gone = true })
  same(#sent, 2)
end)

spec("streams: without any in the configuration nobody is told", function()
  local streams, sent, ngx = fresh("connection refused")
  streams.init_worker(nil)
  same(streams.publish(apply(1, { backends = { ["tcp/shop_echo_9000"] = ECHO } })), nil)
  same(#sent + #ngx.timers, 0)
end)

spec("streams: a new configuration is told everything, again if that fails", function()
  local streams, sent, ngx = fresh()
  apply(1, { backends = { ["udp/shop_dns_53"] = ECHO, shop_web_80 = ECHO } })
  streams.init_worker("/run/body/streams.sock")
  ngx.timers[1][1](false)
  same(sent, { { backend = "udp/shop_dns_53", generation = 1, endpoints = ECHO.endpoints } })

  streams, sent, ngx = fresh("connection refused")
  apply(1, { backends = { ["udp/shop_dns_53"] = ECHO } })
  streams.init_worker("/run/body/streams.sock")
  ngx.timers[1][1](false)
  same(#sent, 0)
  same(#ngx.timers, 2)
  same(ngx.logged, { "the endpoints of udp/shop_dns_53 cannot be told: connection refused" })
  same(streams.publish(apply(2, { backends = { ["udp/shop_dns_53"] = {} } })), "the endpoints of udp/shop_dns_53: connection refused")
end)
