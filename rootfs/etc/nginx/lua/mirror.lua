-- mirror.lua sends copies of requests to services whose answers nobody reads.
--
-- A copy goes out apart from the request, so that it neither delays nor changes what the client gets, whatever becomes of
-- it. There are so many at a time at most; a request beyond is not copied.

local address = require("address")
local inquiry = require("inquiry")

local var, log = ngx.var, ngx.log
local find, lower = string.find, string.lower

local MOST = 128 -- copies that a worker has under way. NGINX allows 256 timers, and names are resolved by some
local CONNECT, SILENCE, LONGEST = 2, 10, 60 -- seconds: for a connection, between two reads or writes, for all of it
local PIECE = 65536 -- bytes of a body that are read from a file at once
local REPORT = 10 -- seconds between two words about the same trouble

local M = {}

-- What is for one connection only, what we say ourselves, and names by which services believe what proxies tell them.
local LEFT_OUT = {
  host = true, connection = true, ["proxy-connection"] = true, ["keep-alive"] = true, te = true, trailer = true, upgrade = true,
  ["transfer-encoding"] = true, ["content-length"] = true, expect = true, ["http2-settings"] = true, proxy = true,
  ["proxy-authorization"] = true, ["x-request-id"] = true, ["x-real-ip"] = true, ["x-scheme"] = true,
}
local LEFT_OUT_PREFIXES = { "x-forwarded-", "x-original-", "ssl-client-", "x-auth-request-" }

-- is_left_out tells whether a header of the client's is not copied. more is a set of further names.
local function is_left_out(name, more)
  name = lower(name)
  if LEFT_OUT[name] or more[name] then return true end
  for i = 1, #LEFT_OUT_PREFIXES do
    if find(name, LEFT_OUT_PREFIXES[i], 1, true) == 1 then return true end
  end
  return false
end

-- names_in gives the set of names in a list with commas or blanks.
local function names_in(text, set)
  for name in (text or ""):gmatch("[^%s,]+") do set[lower(name)] = true end
  return set
end

-- head writes a copy up to its body, or gives nil for one that cannot be written. headers are as ngx.req.get_headers gives
-- them; length is that of the body, nil for none.
function M.head(copy, headers, length)
  local uri = copy.uri:sub(1, 1) == "/" and copy.uri or "/" .. copy.uri
  if find(uri, "[%c ]") or find(copy.name, "[%c ]") then return nil end
  local lines = { copy.method .. " " .. uri .. " HTTP/1.1", "Host: " .. copy.name, "Connection: close" }
  local function add(name, value)
    if not find(name .. value, "[%z\r\n]") then lines[#lines + 1] = name .. ": " .. value end
  end
  local left_out = names_in(copy.left_out, {})
  for name, value in pairs(headers) do
    if lower(name) == "connection" then
      for _, text in ipairs(type(value) == "table" and value or { value }) do names_in(text, left_out) end
    end
  end
  for name, value in pairs(headers) do
    if not is_left_out(name, left_out) then
      for _, text in ipairs(type(value) == "table" and value or { value }) do add(name, tostring(text)) end
    end
  end
  for _, header in ipairs(copy.headers) do add(header[1], header[2] or "") end
  if not length and copy.method ~= "GET" and copy.method ~= "HEAD" then length = 0 end
  if length then add("Content-Length", tostring(length)) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local under_way, reported = 0, 0

local function complain(...)
  local now = ngx.now()
  if now < reported + REPORT then return end
  reported = now
  log(ngx.WARN, "a request is not copied: ", ...)
end

-- open connects to the service.
local function open(copy, socket)
  local addresses = inquiry.addresses(copy.host)
  if not addresses then return nil, "no address that is allowed" end
  socket:settimeouts(CONNECT * 1000, SILENCE * 1000, SILENCE * 1000)
  local ok, problem = socket:connect(address.for_nginx(addresses[math.random(#addresses)]), copy.port)
  if not ok or not copy.tls then return ok, problem end
  return socket:sslhandshake(false, not address.parse(copy.host) and copy.host or nil, false)
end

-- write sends a copy; its body is a file or nil.
local function write(copy, socket)
  local ok, problem = socket:send(copy.head)
  while ok and copy.body do
    local piece = copy.body:read(PIECE)
    if not piece then break end
    ok, problem = socket:send(piece)
  end
  return ok, problem
end

-- deliver sends a copy and takes the answer to its end: a service may stop work when its client leaves.
local function deliver(copy)
  local give_up_at = ngx.now() + LONGEST
  local socket = ngx.socket.tcp()
  local ok, problem = open(copy, socket)
  if ok then ok, problem = write(copy, socket) end
  while ok and ngx.now() < give_up_at and socket:receiveany(PIECE) do end
  socket:close()
  return ok, problem
end

local function run(_, copy)
  local done, ok, problem = pcall(deliver, copy)
  if not done then ok, problem = false, ok end
  if copy.body then copy.body:close() end
  under_way = under_way - 1
  if not ok then complain(ngx.escape_uri(copy.host), ": ", problem or "the service does not take it") end
end

-- body gives the request's body, an open file, and its length; nil if it has none or shall not be copied.
local function body()
  local path = ngx.req.get_body_file()
  local file = path and io.open(path, "rb") -- it can be read when NGINX has removed it
  if not file then return nil end
  local length = file:seek("end")
  file:seek("set")
  return file, length
end

local function headers()
  return {
    { "X-Request-ID", var.req_id }, { "X-Real-IP", var.remote_addr }, { "X-Forwarded-For", var.remote_addr },
    { "X-Forwarded-Host", var.best_http_host }, { "X-Forwarded-Port", var.pass_port },
    { "X-Forwarded-Proto", var.pass_access_scheme }, { "X-Forwarded-Scheme", var.pass_access_scheme },
    { "X-Scheme", var.pass_access_scheme },
  }
end

-- copy has the client's request copied as the variables of the subrequest say, which it ends. It does not wait.
function M.copy()
  if under_way >= MOST then
    complain("there are ", MOST, " copies under way")
    return ngx.exit(ngx.HTTP_NO_CONTENT)
  end
  local copy = {
    method = var.request_method, host = var.mirror_host, port = tonumber(var.mirror_port), tls = var.mirror_scheme == "https",
    uri = var.mirror_uri, name = var.mirror_name, left_out = var.mirror_left_out, headers = headers(),
  }
  local length
  copy.body, length = body()
  copy.head = M.head(copy, ngx.req.get_headers(0, true), length)
  local ok, problem = copy.head, "its URI cannot be written"
  if ok then ok, problem = ngx.timer.at(0, run, copy) end
  if ok then
    under_way = under_way + 1
  else
    if copy.body then copy.body:close() end
    complain(problem)
  end
  return ngx.exit(ngx.HTTP_NO_CONTENT)
end

return M
