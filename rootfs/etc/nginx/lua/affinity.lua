-- affinity.lua reads and writes the cookie that keeps a client on an endpoint (Affinity in nginx/dynamic/balance.go).
--
-- It is pure: texts come in, texts go out. It never chooses a peer.

local concat = table.concat
local find, match, sub = string.find, string.match, string.sub
local floor = math.floor

local LONGEST_NAME, LONGEST_TEXT, MOST_SECONDS = 512, 4096, 2 ^ 31 - 1
local SAME_SITE = { None = true, Lax = true, Strict = true }

local M = {}

local function is_text(value, longest) return type(value) == "string" and value ~= "" and #value <= longest end

-- is_plain tells whether a text ends neither a cookie's attribute nor the header.
local function is_plain(value, longest) return is_text(value, longest) and not find(value, "[%c;]") end

local function is_seconds(value)
  return type(value) == "number" and value == floor(value) and value >= -MOST_SECONDS and value <= MOST_SECONDS
end

local function is_flag(value) return value == nil or type(value) == "boolean" end

local function check_cookie(cookie)
  if type(cookie) ~= "table" then return "the affinity has no cookie" end
  if not is_plain(cookie.name, LONGEST_TEXT) or find(cookie.name, "[= ]") then return "the cookie has a bad name" end
  if cookie.path ~= nil and not is_plain(cookie.path, LONGEST_TEXT) then return "the cookie has a bad path" end
  if cookie.domain ~= nil and not is_plain(cookie.domain, LONGEST_TEXT) then return "the cookie has a bad domain" end
  if cookie.expires ~= nil and not is_seconds(cookie.expires) then return "the cookie has a bad expires" end
  if cookie.max_age ~= nil and not is_seconds(cookie.max_age) then return "the cookie has a bad max_age" end
  if cookie.same_site ~= nil and not SAME_SITE[cookie.same_site] then return "the cookie has a bad same_site" end
  if not is_flag(cookie.secure) then return "the cookie has a bad secure" end
  if not is_flag(cookie.conditional_same_site_none) then return "the cookie has a bad conditional_same_site_none" end
  return nil
end

-- check gives nil if the affinity of a document is good, else what is wrong with it.
function M.check(affinity)
  if type(affinity) ~= "table" then return "affinity is not an object" end
  for _, field in ipairs({ "key", "id" }) do
    if not is_plain(affinity[field], LONGEST_NAME) then return "the affinity has a bad " .. field end
  end
  if affinity.former_id ~= nil and not is_plain(affinity.former_id, LONGEST_NAME) then return "the affinity has a bad former_id" end
  for _, field in ipairs({ "persistent", "change_on_failure" }) do
    if not is_flag(affinity[field]) then return "the affinity has a bad " .. field end
  end
  if type(affinity.ingresses) ~= "table" then return "the affinity has bad ingresses" end
  for i, name in pairs(affinity.ingresses) do
    if type(i) ~= "number" or not is_text(name, LONGEST_NAME) then return "the affinity has bad ingresses" end
  end
  return check_cookie(affinity.cookie)
end

-- prepare brings the affinity of a document into the form that is stored: what we know of, the variable that has the cookie, and
-- a set of the Ingresses.
function M.prepare(affinity)
  local cookie, ingresses = affinity.cookie, {}
  for _, name in ipairs(affinity.ingresses) do ingresses[name] = true end
  return {
    key = affinity.key,
    id = affinity.id,
    former_id = affinity.former_id,
    persistent = affinity.persistent,
    change_on_failure = affinity.change_on_failure,
    ingresses = ingresses,
    variable = "cookie_" .. cookie.name,
    cookie = {
      name = cookie.name, path = cookie.path, domain = cookie.domain, expires = cookie.expires, max_age = cookie.max_age,
      secure = cookie.secure, same_site = cookie.same_site, conditional_same_site_none = cookie.conditional_same_site_none,
    },
  }
end

local OURS = "^" .. ("%x"):rep(32) .. "|" .. ("%x"):rep(32) .. "$"

-- read gives the token that a cookie's value has, and whose it is: "ours" if it was made for this backend, "former" if
-- ingress-nginx did that, "lost" if it is of a backend that was ours, such as a canary, and otherwise "foreign".
function M.read(affinity, value)
  local token, id = match(value, "^([^|]*)|(.*)$")
  if id == affinity.id then return token, "ours" end
  if id and id == affinity.former_id then return token, "former" end
  return token or value, find(value, OURS) and "lost" or "foreign"
end

-- belongs tells whether a request has a cookie of this backend. variables are NGINX's.
function M.belongs(affinity, variables)
  local value = variables[affinity.variable]
  if not value then return false end
  local _, whose = M.read(affinity, value)
  return whose == "ours" or whose == "former"
end

-- takes_none_for_strict tells whether a browser does so, by the value of its header User-Agent.
local function takes_none_for_strict(agent)
  if find(agent, "Chrome/[456]") then return true end
  if find(agent, "CPU iPhone OS 12", 1, true) or find(agent, "iPad; CPU OS 12", 1, true) then return true end
  return find(agent, "Macintosh", 1, true) and find(agent, "Intel Mac OS X 10_14", 1, true) and find(agent, "Safari", 1, true)
    and not find(agent, "Chrome", 1, true)
end

-- text gives the value of Set-Cookie that names an endpoint by its token, in the order of attributes that ingress-nginx has.
-- variables are NGINX's; expiry(seconds) gives the time so many seconds from now as cookies have it.
function M.text(affinity, token, variables, expiry)
  local cookie, out = affinity.cookie, { affinity.cookie.name .. "=" .. token .. "|" .. affinity.id }
  local function add(text) out[#out + 1] = text end
  if cookie.expires then add("Expires=" .. expiry(cookie.expires)) end
  if cookie.max_age then add(("Max-Age=%d"):format(cookie.max_age)) end
  if cookie.domain then add("Domain=" .. cookie.domain) end
  -- The path of an Ingress may have any characters; what follows one that a cookie's path cannot have is left out.
  add("Path=" .. (cookie.path or match(variables.location_path or "", "^[^;%c]*")))
  if cookie.secure or variables.https == "on" then add("Secure") end
  add("HttpOnly")
  local same_site = cookie.same_site
  if same_site == "None" and cookie.conditional_same_site_none and takes_none_for_strict(variables.http_user_agent or "") then
    same_site = nil
  end
  if same_site then add("SameSite=" .. same_site) end
  return concat(out, "; ")
end

-- among gives the values of Set-Cookie with this one in place of an earlier one of the same cookie. before is what there is: nil,
-- a text or a list.
function M.among(before, text)
  local start, out = match(text, "^[^=]*="), {}
  for _, other in ipairs(type(before) == "table" and before or { before }) do
    if sub(other, 1, #start) ~= start then out[#out + 1] = other end
  end
  out[#out + 1] = text
  return out
end

return M
