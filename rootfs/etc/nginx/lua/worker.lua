-- worker.lua makes a worker's interpreter its own, and says how it uses memory.

local ffi = require("ffi")

-- How far the memory of Lua grows until garbage is collected, and how fast that goes, in percent (see lua_gc of Lua 5.1). A request
-- whose host is known leaves some 200 bytes, so the half of what is kept is enough room; a worker that had been asked
-- for 10,000 hosts took a fifth more with the default of 200 each.
local PAUSE, SPEED = 150, 400

local M = {}

-- seed makes this worker's random numbers its own: workers inherit the master's.
local function seed()
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(6)
  if file then file:close() end
  local value = ngx.now() * 1000 + ngx.worker.pid() * 65537
  for i = 1, bytes and #bytes or 0 do value = (value * 256 + bytes:byte(i)) % 2 ^ 52 end
  math.randomseed(value)
end

-- return_memory gives back what reading the configuration has left free. NGINX does so by itself only after many requests.
local function return_memory()
  pcall(ffi.cdef, "int malloc_trim(size_t pad);")
  pcall(function() ffi.C.malloc_trim(0) end) -- the C library may have none
end

-- begin is called once, before any request.
function M.begin()
  seed()
  return_memory()
  collectgarbage("setpause", PAUSE)
  collectgarbage("setstepmul", SPEED)
end

return M
