-- run.lua runs the Lua specs: `luajit test/lua/run.lua` from the root of the repository.
--
-- It needs LuaJIT and lua-cjson, and never NGINX: where a spec needs ngx, stand_in.lua plays it.

package.path = "rootfs/etc/nginx/lua/?.lua;test/lua/?.lua;" .. package.path

local SPECS = {
  "address_spec",
  "dns_spec",
  "ingress_inquiries_spec",
  "resolver_spec",
  "recent_spec",
  "round_robin_spec",
  "turns_spec",
  "ewma_spec",
  "rendezvous_spec",
  "affinity_spec",
  "balancer_spec",
  "alternatives_spec",
  "router_spec",
  "packed_spec",
  "routes_spec",
  "state_spec",
  "tracing_spec",
  "certificate_spec",
  "ingress_spec",
  "ingress_errors_spec",
  "ingress_routes_spec",
  "memory_spec",
  "sessions_spec",
  "fixtures_spec",
  "mutations_spec",
}

local passed, failed = 0, 0

-- spec runs one spec and prints its name, and where it failed if it did.
function _G.spec(name, body)
  local ok, problem = xpcall(body, debug.traceback)
  if ok then
    passed = passed + 1
    print("ok    " .. name)
  else
    failed = failed + 1
    print("FAIL  " .. name .. "\n" .. problem)
  end
end

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do keys[i] = tostring(key) .. "=" .. show(value[key]) end
  return "{" .. table.concat(keys, ", ") .. "}"
end

-- same asserts that two values look alike, tables by what is in them.
function _G.same(got, want, what)
  got, want = show(got), show(want)
  if got ~= want then error((what or "got") .. " " .. got .. ", want " .. want, 2) end
end

for _, file in ipairs(SPECS) do
  local ok, problem = xpcall(function() require(file) end, debug.traceback)
  if not ok then
    failed = failed + 1
    print("FAIL  " .. file .. "\n" .. problem)
  end
end

print(passed .. " passed, " .. failed .. " failed")
os.exit(failed == 0 and 0 or 1)
