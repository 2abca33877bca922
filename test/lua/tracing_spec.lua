-- tracing_spec.lua: which trace a request belongs to, and what waits for export.

local stand_in = require("stand_in")

local ID = "0123456789abcdef0123456789abcdef"
local PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"

local function fresh(more)
  local ngx = stand_in.fresh({ shared = { sluice_spans = stand_in.dict() } })
  ngx.md5 = function(text) return (text:reverse()) end
  ngx.req = { start_time = function() return 1 end }
  for name, value in pairs(more or {}) do ngx.var[name] = value end
  local tracing = require("tracing")
  tracing.init(2)
  return tracing, ngx
end

spec("only what W3C calls a traceparent is one", function()
  local tracing = fresh()
  local trace, span, is_sampled = tracing.parse(PARENT .. "01")
  assert(trace == "4bf92f3577b34da6a3ce929d0e0e4736" and span == "00f067aa0ba902b7" and is_sampled)
  assert(select(3, tracing.parse(PARENT .. "02")) == false)
  assert(tracing.parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"))
  for _, text in ipairs({
    "", "x", PARENT, PARENT .. "1", PARENT .. "01-more", PARENT:upper() .. "01", "ff" .. PARENT:sub(3) .. "01", "cc" .. PARENT:sub(3) .. "01more",
    "00-" .. ("0"):rep(32) .. "-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. ("0"):rep(16) .. "-01",
    PARENT .. "01, " .. PARENT .. "01", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
  }) do
    assert(tracing.parse(text) == nil, text)
  end
  assert(tracing.parse(nil) == nil)
end)

spec("a trace goes on with a span of its own, and begins where there is none", function()
  local tracing = fresh()
  local own = ID:reverse():sub(1, 16)
  for _, case in ipairs({
    -- incoming, sampler, ratio, parent based, want
    { nil, "AlwaysOn", 0, true, "00-" .. ID .. "-" .. own .. "-01" },
    { nil, "AlwaysOff", 0, true, "00-" .. ID .. "-" .. own .. "-00" },
    { "junk", "AlwaysOn", 0, true, "00-" .. ID .. "-" .. own .. "-01" },
    { PARENT .. "01", "AlwaysOff", 0, true, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-01" },
    { PARENT .. "00", "AlwaysOn", 0, true, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-00" },
    { PARENT .. "01", "AlwaysOff", 0, false, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-00" },
    { PARENT .. "00", "AlwaysOn", 0, false, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-01" },
    { PARENT .. "00", "TraceIdRatioBased", 0.63, false, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-00" }, -- 0xa3ce… is 0.6398
    { PARENT .. "00", "TraceIdRatioBased", 0.64, false, "00-4bf92f3577b34da6a3ce929d0e0e4736-" .. own .. "-01" },
  }) do
    local got = tracing.derive(case[1], ID, case[2], case[3], case[4])
    assert(got == case[5], ("%s %s: %s"):format(case[1], case[2], got))
  end
  for _, trace in ipairs({ ("0"):rep(32), ("f"):rep(32) }) do
    assert(tracing.samples("TraceIdRatioBased", 1, trace) and not tracing.samples("TraceIdRatioBased", 0, trace))
  end
end)

spec("a client that is not trusted says nothing of traces", function()
  local tracing = fresh({ http_traceparent = PARENT .. "01", request_id = ID })
  assert(tracing.begin("AlwaysOn", "0", "on", "on"):sub(1, 36) == PARENT:sub(1, 36))
  assert(tracing.begin("AlwaysOn", "0", "on", "off"):sub(1, 36) == "00-" .. ID .. "-")
end)

spec("spans that nobody fetches are bounded and counted, and only recorded ones wait", function()
  local tracing, ngx = fresh({ traceparent = PARENT .. "00", http_traceparent = "", request_method = "GET", location_path = "/a" })
  tracing.note()
  assert(#tracing.take(10) == 0)
  ngx.var.traceparent = PARENT .. "01"
  for _ = 1, 5 do tracing.note() end
  local spans, dropped = tracing.take(1)
  assert(#spans == 1 and dropped == 3)
  assert(spans[1]:find('"name":"GET \\/a"', 1, true) or spans[1]:find('"name":"GET /a"', 1, true), spans[1])
  spans, dropped = tracing.take(10)
  assert(#spans == 1 and dropped == 0)
end)
