-- tracing.lua says which trace a request belongs to (W3C Trace Context), and keeps what there is to tell of it until it is fetched.
--
-- Locations with tracing begin a span before anything else, so $traceparent outlives internal redirects; what has none costs one
-- look at that variable, and that only if there is a collector. A span waits in a list that all workers share and that has a
-- bound: a collector that is slow or away loses spans and never keeps a request waiting.

local cjson = require("cjson").new()

local var, md5 = ngx.var, ngx.md5
local sub, match, rep = string.sub, string.match, string.rep

local QUEUE, DROPPED = "spans", "dropped" -- keys of the dictionary
local LONGEST = 1024 -- bytes of a text that clients choose

local M = {}

local shared = ngx.shared.sluice_spans
local queue_length -- as M.init has it

-- init says how many spans may wait, in the master process.
function M.init(most) queue_length = tonumber(most) end

-- parse takes a traceparent apart: trace, span, and whether it is recorded; nil if it is none. Later versions may say more.
function M.parse(text)
  if type(text) ~= "string" then return nil end
  local version, trace, span, flags, rest = match(text, "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$")
  if not version or #trace ~= 32 or #span ~= 16 or text:find("%u") then return nil end
  if version == "ff" or (version == "00" and rest ~= "") or (rest ~= "" and sub(rest, 1, 1) ~= "-") then return nil end
  if trace == rep("0", 32) or span == rep("0", 16) then return nil end
  return trace, span, tonumber(flags, 16) % 2 == 1
end

-- samples tells whether a trace without a parent, or one whose parent does not decide, is recorded. The ratio looks at the lower
-- half of the id, so that all who go by the same ratio record the same traces.
function M.samples(sampler, ratio, trace)
  if sampler == "AlwaysOn" then return true end
  if sampler == "AlwaysOff" then return false end
  return tonumber(sub(trace, 17, 29), 16) < ratio * 0x10000000000000 -- 2^52
end

-- derive gives the traceparent of a span in the request's trace, or in a new one. id is 32 hexadecimal digits that no other
-- request has.
function M.derive(incoming, id, sampler, ratio, is_parent_based)
  local trace, _, is_sampled = M.parse(incoming)
  if not trace then
    trace, is_sampled = id, M.samples(sampler, ratio, id)
  elseif not is_parent_based then
    is_sampled = M.samples(sampler, ratio, trace)
  end
  return "00-" .. trace .. "-" .. sub(md5(id), 1, 16) .. (is_sampled and "-01" or "-00")
end

-- begin is the traceparent of the present request. A request that NGINX has redirected internally keeps its own.
function M.begin(sampler, ratio, is_parent_based, trusts)
  local present = var.traceparent
  if present and present ~= "" then return present end
  local incoming = trusts == "on" and var.http_traceparent or nil
  return M.derive(incoming, var.request_id, sampler, tonumber(ratio), is_parent_based == "on")
end

local function short(text) return text and sub(text, 1, LONGEST) end

-- note keeps the span of a request that is over, if it is recorded.
function M.note()
  local own = var.traceparent
  if not own or own == "" then return end
  local trace, span, is_sampled = M.parse(own)
  if not is_sampled then return end
  local length = shared:llen(QUEUE)
  if not length or length >= queue_length then shared:incr(DROPPED, 1, 0) return end
  local parent_trace, parent = M.parse(var.http_traceparent)
  local name = var.operation_name
  if not name or name == "" then name = (var.request_method or "") .. " " .. (var.location_path or "") end
  local start = ngx.req.start_time()
  local text = cjson.encode({
    trace = trace, span = span, parent = parent_trace == trace and parent or nil, name = short(name), start = start, ["end"] = ngx.now(),
    method = var.request_method, scheme = var.scheme, host = short(var.host), path = short(var.uri), route = short(var.location_path),
    status = tonumber(var.status), client = var.remote_addr, agent = short(var.http_user_agent), protocol = var.server_protocol,
    namespace = var.namespace, ingress = var.ingress_name, service = var.service_name,
  })
  if not shared:rpush(QUEUE, text) then shared:incr(DROPPED, 1, 0) end
end

-- take gives so many spans at most, which nobody else gets, and how many were dropped since the last time.
function M.take(most)
  local spans = {}
  while #spans < most do
    local text = shared:lpop(QUEUE)
    if not text then break end
    spans[#spans + 1] = text
  end
  local dropped = shared:get(DROPPED) or 0
  if dropped > 0 then shared:incr(DROPPED, -dropped) end
  return spans, dropped
end

return M
