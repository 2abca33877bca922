-- router.lua finds a request's way: from the name it asks for to a host, from its path to a route, and from there to the
-- shape that takes it.
--
-- It is pure: texts, entries and what NGINX can do come in, a decision goes out. It carries nothing out.

local byte, find, sub = string.byte, string.find, string.sub
local concat = table.concat

local DOT, SLASH, STAR, TILDE = byte("."), byte("/"), byte("*"), byte("~")
local DEFAULT_BACKEND = "upstream-default-backend" -- the controller's own
local NONE = {} -- one for all, as nobody changes what is prepared

local M = {}

-- is_open tells whether a key stands for names with any number of further labels: **.SUFFIX or PREFIX.*
function M.is_open(key)
  if sub(key, 1, 3) == "**." then return true end
  return sub(key, -2) == ".*" and byte(key) ~= TILDE
end

-- each_shape calls visit with each shape that an entry names.
local function each_shape(host, visit)
  for _, jump in ipairs({ host.all or NONE, host.root or NONE }) do visit(jump.shape) end
  for _, route in ipairs(host.routes or NONE) do
    visit(route.shape)
    visit(route.too_large)
    visit(route.denied)
    visit(route.in_clear)
    visit(route.unavailable)
    visit(route.slash and route.slash.shape)
    visit(route.redirect and route.redirect.shape)
    visit(route.rewrite and route.rewrite.refused)
    visit(route.rewrite and route.rewrite.empty)
  end
end

-- fits tells whether all shapes that an entry names are in a set.
function M.fits(host, shapes)
  local all = true
  each_shape(host, function(shape)
    if shape and not shapes[shape] then all = false end
  end)
  return all
end

-- by_path resolves the indexes, from 0, of routes.
local function by_path(indexes, routes)
  if not indexes or not next(indexes) then return NONE end
  local out = {}
  for path, index in pairs(indexes) do out[path] = routes[index + 1] end
  return out
end

-- slashes gives the routes for paths that lack just the last slash of theirs, unless they are paths themselves.
local function slashes(exact, prefix)
  local out = {}
  for _, routes in ipairs({ prefix, exact }) do
    for path, route in pairs(routes) do
      local bare = sub(path, 1, -2)
      if route.slash and byte(path, -1) == SLASH and not exact[bare] and not prefix[bare] then out[bare] = route end
    end
  end
  return next(out) and out or NONE
end

-- lengths gives the lengths of paths, each once, the longest first.
local function lengths(prefix)
  local seen, out = {}, {}
  for path in pairs(prefix) do
    if not seen[#path] then
      seen[#path] = true
      out[#out + 1] = #path
    end
  end
  table.sort(out, function(a, b) return a > b end)
  return out
end

-- Fields of a place: the alternative that a request was sent to, the name that the host is kept under, and whose route it is.
local PLACE = "\t%s\t%s\t%s\t%s\t%s\t%s"

-- Fields of a route that logs and metrics have of it.
local IDENTITY = { namespace = true, ingress = true, service = true, port = true, path = true }

-- named gives a route with the texts that logs and metrics have of it in one. $namespace and others are read off that (see
-- http.tmpl), as it takes longer to set a variable than to leave it alone.
local function named(route, name)
  local out = {} -- of no more fields than it needs: there are many, and a table of eight takes half of one of nine
  for field, value in pairs(route) do
    if not IDENTITY[field] then out[field] = value end
  end
  local namespace, service, port = route.namespace or "", route.service or "", route.port or ""
  out.place = PLACE:format(name, namespace, route.ingress or "", service, port, route.path or "")
  if out.backend then
    out.upstream_name = out.backend == DEFAULT_BACKEND and DEFAULT_BACKEND or namespace .. "-" .. service .. "-" .. port
  end
  return out
end

-- prepare turns an entry as it is stored under a name (Host in nginx/dynamic/routes.go) into what the functions below take.
function M.prepare(host, name)
  local routes = {}
  for i, route in ipairs(host.routes or NONE) do routes[i] = named(route, name) end
  local out = { same_as = host.same_as, server_name = host.server_name, all = host.all, root = host.root }
  out.place = PLACE:format(name, "", "", "", "", "")
  out.exact = by_path(host.exact, routes)
  if host.patterns then
    out.patterns = {}
    for i, pattern in ipairs(host.patterns) do out.patterns[i] = { text = pattern.text, route = routes[pattern.route + 1] } end
    return out
  end
  out.prefix = by_path(host.prefix, routes)
  out.slashes, out.lengths = slashes(out.exact, out.prefix), lengths(out.prefix)
  return out
end

-- prepare_names turns Names as they are stored into what find_host takes. longest_open is the length of the longest open
-- key, or more.
function M.prepare_names(names, longest_open)
  local out = { longest_open = longest_open }
  for i, name in ipairs(names) do out[i] = { key = name.key, expression = sub(name.key, 2), host = name.host or "" } end
  return out
end

-- below gives the entry with the longest suffix that a name ends with, beside further labels.
local function below(name, longest, host)
  local dot = find(name, ".", math.max(1, #name - longest), true)
  while dot do
    local entry = host("**" .. sub(name, dot))
    if entry ~= nil then return entry end
    dot = find(name, ".", dot + 1, true)
  end
  return nil
end

-- above gives the entry with the longest prefix that a name starts with, beside further labels.
local function above(name, longest, host)
  for at = math.min(#name, longest), 1, -1 do
    if byte(name, at) == DOT then
      local entry = host(sub(name, 1, at) .. "*")
      if entry ~= nil then return entry end
    end
  end
  return nil
end

-- wildcard gives the key of an Ingress's wildcard that would take a name, and the name's first label, or nil.
local function wildcard(name)
  local dot = find(name, ".", 1, true)
  if not dot or dot == 1 then return nil end
  local label = sub(name, 1, dot - 1)
  if find(label, "[^%w_-]") then return nil end
  return "*" .. sub(name, dot), label
end

-- by_pattern tries patterns and the wildcard of an Ingress, in the order of their hosts. It gives an entry, for the wildcard
-- with the label that it stands for; or nil, nil and what is wrong with a pattern.
local function by_pattern(name, host, names, search)
  local key, label = wildcard(name)
  local entry = key and host(key)
  if entry == nil then key = nil end
  for i = 1, #names do
    local pattern = names[i]
    if key and key <= pattern.host then return entry, label end
    local from, problem = search(name, pattern.expression)
    if problem then return nil, nil, problem end
    local found = from and host(pattern.key)
    if found ~= nil then return found end
  end
  if key then return entry, label end
  return nil
end

-- find_host gives the entry for the name that a request asks for ($host), and the first label of the name if it is that of a
-- wildcard of an Ingress: nil if there is none, false if there is one that cannot be used, and what is wrong if a pattern
-- cannot be searched for. host(key) gives entries, names() what prepare_names has made, and search(text, pattern)
-- where a pattern is found, or nil and what is wrong with it.
function M.find_host(name, host, names, search)
  local first = byte(name)
  if first ~= STAR and first ~= TILDE then -- a client may ask for what only looks like a key
    local entry = host(name)
    if entry ~= nil then return entry end
  end
  names = names()
  local longest = names.longest_open
  if longest > 0 then
    local entry = below(name, longest, host)
    if entry == nil then entry = above(name, longest, host) end
    if entry ~= nil then return entry end
  end
  local entry, label, problem = by_pattern(name, host, names, search)
  if entry ~= nil or problem then return entry, label, problem end
  return host("_")
end

-- find_route gives the route for a path ($uri). Or nil, and the route whose jump adds a slash, or nil twice and what is wrong
-- with a pattern.
function M.find_route(host, path, search)
  local route = host.exact[path]
  if route then return route end
  local patterns = host.patterns
  if patterns then
    for i = 1, #patterns do
      local from, problem = search(path, patterns[i].text)
      if from then return patterns[i].route end
      if problem then return nil, nil, problem end
    end
    return nil
  end
  local slash = host.slashes[path]
  if slash then return nil, slash end
  -- Prefixes end in a slash, so most lengths need no more than a look at one byte.
  local prefix, all = host.prefix, host.lengths
  for i = 1, #all do
    local length = all[i]
    if byte(path, length) == SLASH then
      route = prefix[sub(path, 1, length)]
      if route then return route end
    end
  end
  return nil
end

-- expand gives the text of a template. found are named groups of a pattern, false where they did not take part; all other
-- variables are NGINX's.
function M.expand(template, found, variables)
  if #template == 1 then return template[1] end
  local out = {}
  for i = 1, #template, 2 do
    out[i] = template[i]
    local name = template[i + 1]
    if name then
      local value = found and found[name]
      if value == nil then value = variables[name] end
      out[i + 1] = value or ""
    end
  end
  return concat(out)
end

-- redirected gives the shape and the target of a redirect, if it takes the request; or nil twice and what is wrong.
local function redirected(redirect, path, request)
  local found
  if redirect.pattern then
    local problem
    found, problem = request.match(request.escape(path, 0), redirect.pattern)
    if not found then return nil, nil, problem end
  end
  return redirect.shape, redirect.target and M.expand(redirect.target, found, request.variables)
end

-- decide gives what becomes of a request for a route: a shape, and the text of $redirect_target, or nil. If the path is to be
-- replaced, it gives the rewrite and the groups it found as well. If a pattern cannot be searched for, it gives nil and what is
-- wrong. request has what NGINX knows and can: variables, search as for find_host, match(text, pattern), which gives groups or
-- nil and what is wrong, and escape(text, kind) as ngx.escape_uri.
function M.decide(route, path, request)
  if route.denied then return route.denied end
  if route.redirect then
    local shape, target, problem = redirected(route.redirect, path, request)
    if shape or problem then return shape, target or problem end
  end
  if route.in_clear and request.variables.pass_access_scheme == "http" then return route.in_clear end
  local rewrite = route.rewrite
  if not rewrite then return route.shape end
  if rewrite.refused then
    local from, problem = request.search(path, "[[:cntrl:]]")
    if from then return rewrite.refused end
    if problem then return nil, problem end
  end
  local found, problem = request.match(path, rewrite.pattern)
  if problem then return nil, problem end
  if not found then return route.shape end
  return route.shape, nil, rewrite, found
end

-- rewritten gives the path that a rewrite comes to, and the arguments, or nil if they stay as they are.
function M.rewritten(rewrite, found, variables)
  local path = M.expand(rewrite.path, found, variables)
  if not rewrite.args then return path, rewrite.drop_args and "" or nil end
  local arguments, rest = M.expand(rewrite.args, found, variables), not rewrite.drop_args and variables.args
  if rest and rest ~= "" then arguments = arguments .. "&" .. rest end
  return path, arguments
end

return M
