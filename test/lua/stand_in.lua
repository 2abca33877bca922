-- stand_in.lua plays the parts of ngx that our files touch, in memory, so that specs run without NGINX.
--
-- It never tries to be NGINX: what only NGINX can show is tested on NGINX.

local M = {}

-- dict plays a shared dictionary with room for so many bytes. As in NGINX, a value of another size is
-- dropped before the new one is found not to fit.
function M.dict(room)
  local values, ends, used = {}, {}, 0
  local dict = {}

  local function size(key, value)
    return #key + (type(value) == "string" and #value or type(value) == "number" and 8 or 1)
  end

  function dict:get(key)
    if ends[key] and ends[key] <= ngx.time then return nil end
    return values[key]
  end

  function dict:delete(key)
    if values[key] ~= nil then used = used - size(key, values[key]) end
    values[key] = nil
  end

  function dict:safe_set(key, value, seconds)
    self:delete(key)
    ends[key] = seconds and ngx.time + seconds
    if used + size(key, value) > (room or math.huge) then return false, "no memory" end
    values[key], used = value, used + size(key, value)
    return true
  end

  function dict:safe_add(key, value)
    if values[key] ~= nil then return false, "exists" end
    return self:safe_set(key, value)
  end

  function dict:set(key, value)
    local ok = self:safe_set(key, value)
    assert(ok, "set would have thrown out something else")
    return ok
  end

  function dict:incr(key, by, from)
    values[key] = (values[key] or from) + by
    return values[key]
  end

  function dict:llen(key) return values[key] and #values[key] or 0 end

  function dict:rpush(key, value)
    values[key] = values[key] or {}
    table.insert(values[key], value)
    return #values[key]
  end

  function dict:lpop(key) return values[key] and table.remove(values[key], 1) end

  function dict:get_keys()
    local keys = {}
    for key in pairs(values) do keys[#keys + 1] = key end
    return keys
  end

  return dict
end

-- find plays ngx.re.find with patterns of Lua's, which are close enough. "(" does not compile.
function M.find(text, pattern)
  if pattern == "(" then return nil, nil, "it does not compile" end
  return text:find((pattern:gsub("%?<[%w_]+>", "")))
end

-- match plays ngx.re.match in the same way, with groups (?<name>…). An empty one counts as one that did not take part.
function M.match(text, pattern)
  if pattern == "(" then return nil, "it does not compile" end
  local found = { M.find(text, pattern) }
  if not found[1] then return nil end
  local groups, n = {}, 2
  for name in pattern:gmatch("%(%?<([%w_]+)>") do
    n = n + 1
    groups[name] = found[n] ~= "" and found[n] or false
  end
  return groups
end

local OURS = {
  "address", "affinity", "alternatives", "balancer", "balancer.ewma", "balancer.rendezvous", "balancer.round_robin", "certificate",
  "control", "dictionary", "dns", "grpc", "ingress", "inquiry", "mirror",
  "packed", "recent", "resolver", "router", "routes", "state", "streams", "tracing", "update", "update.routes", "worker",
}

-- An exit ends the handler, as in NGINX.
local EXIT = {}

-- add_texts adds what turns texts into others.
local function add_texts(ngx)
  function ngx.escape_uri(text)
    return (text:gsub("[^%w/._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
  end
  -- A keyed hash that is good enough where nobody attacks it; NGINX's own is tested on NGINX.
  function ngx.hmac_sha1(key, text)
    local hash, out = require("balancer.rendezvous").hash, {}
    for i = 1, 20 do out[i] = string.char(hash(i .. key .. text) % 256) end
    return table.concat(out)
  end
  function ngx.decode_base64(text)
    local digits, bits, out = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 0, {}
    local held = 0
    for digit in text:gsub("=", ""):gmatch(".") do
      held, bits = held * 64 + digits:find(digit, 1, true) - 1, bits + 6
      if bits >= 8 then
        bits = bits - 8
        out[#out + 1] = string.char(math.floor(held / 2 ^ bits))
        held = held % 2 ^ bits
      end
    end
    return table.concat(out)
  end
  function ngx.cookie_time(seconds) return "time " .. seconds end
end

-- PLACED are the variables that maps of http.tmpl read off $sluice_place: how many fields come before.
local PLACED = { namespace = 2, ingress_name = 3, service_name = 4, service_port = 5, location_path = 6 }

local function placed(variables, name)
  local place = rawget(variables, "sluice_place")
  return PLACED[name] and place and (place:match("^" .. ("[^\t]*\t"):rep(PLACED[name]) .. "([^\t]*)") or "")
end

-- add_tls adds what handshakes are made with. What a client is told of its certificate is in the field stapled; unstapled, if a
-- spec sets it, keeps it from that.
local function add_tls(ngx, ssl)
  package.loaded["ngx.ssl"] = ssl or {}
  package.loaded["ngx.ocsp"] = { set_ocsp_status_resp = function(response)
    ngx.stapled = response
    return not ngx.unstapled, ngx.unstapled
  end }
end

-- fresh makes a new ngx and forgets our modules, as a new NGINX would. It gives the ngx; what handlers do
-- with it is in its fields logged, exited, jumped, peer, tries, timers.
function M.fresh(options)
  options = options or {}
  for _, name in ipairs(OURS) do package.loaded[name] = nil end
  local ngx = {
    var = setmetatable({}, { __index = placed }), header = {}, logged = {}, timers = {}, time = 1000, ERR = "error", HTTP_OK = 200,
    HTTP_NOT_FOUND = 404, HTTP_INTERNAL_SERVER_ERROR = 500, HTTP_SERVICE_UNAVAILABLE = 503,
    re = { find = M.find, match = M.match },
    shared = options.shared or { sluice_state = M.dict(options.room), sluice_certificates = M.dict() },
  }
  function ngx.now() return ngx.time end
  function ngx.update_time() end
  function ngx.log(_, ...)
    local parts = { ... }
    for i = 1, #parts do parts[i] = tostring(parts[i]) end
    ngx.logged[#ngx.logged + 1] = table.concat(parts)
  end
  function ngx.exit(status)
    ngx.exited = status
    error(EXIT, 0)
  end
  function ngx.exec(shape)
    ngx.jumped = shape
    error(EXIT, 0)
  end
  add_texts(ngx)
  ngx.timer = { at = function(_, handler, ...)
    ngx.timers[#ngx.timers + 1] = { handler, ... }
    return true
  end }
  ngx.worker = { id = function() return 0 end, pid = function() return 77 end, count = function() return 2 end }
  _G.ngx = ngx

  package.loaded["resty.core"] = true
  -- The request is a number that a spec may change to have another request.
  ngx.request = 1
  package.loaded["resty.core.base"] = { get_request = function() return require("ffi").cast("void *", ngx.request) end }
  package.loaded["resty.lrucache"] = { new = function()
    local kept = {}
    return { get = function(_, key) return kept[key] end, set = function(_, key, value) kept[key] = value end }
  end }
  package.loaded["ngx.semaphore"] = { new = function()
    local waiting = 0
    return {
      wait = function()
        waiting = waiting + 1
        M.run_timers(ngx)
        return true
      end,
      count = function() return -waiting end,
      post = function(_, n) waiting = waiting - n end,
    }
  end }
  package.loaded["ngx.balancer"] = {
    get_last_failure = function()
      if ngx.failure then return ngx.failure, 502 end
      return nil
    end,
    set_current_peer = function(address, port)
      ngx.peer = address .. ":" .. port
      return true
    end,
    set_more_tries = function(count) ngx.tries = count end,
    enable_keepalive = function(idle, uses)
      ngx.kept = { idle, uses }
      return true
    end,
  }
  add_tls(ngx, options.ssl)
  return ngx
end

-- run_timers runs what was put off.
function M.run_timers(ngx)
  local timers = ngx.timers
  ngx.timers = {}
  for _, timer in ipairs(timers) do timer[1](false, timer[2], timer[3]) end
end

-- call runs a handler until it returns or exits, and gives the status it exited with.
function M.call(ngx, handler, ...)
  ngx.exited, ngx.jumped, ngx.peer, ngx.tries = nil, nil, nil, nil
  local ok, problem = pcall(handler, ...)
  if not ok and problem ~= EXIT then error(problem, 0) end
  return ngx.exited
end

return M
