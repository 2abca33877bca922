-- lookalikes.lua tells which names of headers pods could take for those by which we tell them who asks and for what.
--
-- CGI, WSGI and what is modelled on them know a header X-Real-IP by the name HTTP_X_REAL_IP, and X_Real_IP by the same.

local M = {}

-- What we set, wherever it is sent: to pods, to services that are asked whether a request may pass, and to those that answer in
-- place of errors. The rest is in families.
local OURS = {
  ["x-real-ip"] = true,
  ["x-request-id"] = true,
  ["x-scheme"] = true,
  ["x-auth-request-redirect"] = true,
  ["x-sent-from"] = true,
  ["x-code"] = true,
  ["x-format"] = true,
  ["x-namespace"] = true,
  ["x-ingress-name"] = true,
  ["x-service-name"] = true,
  ["x-service-port"] = true,
}
local FAMILIES = { "x-forwarded-", "x-original-", "ssl-client-" }

-- is_one tells whether a name is not ours, but becomes ours where all but letters and digits is alike.
function M.is_one(name)
  if not name:find("[^%w-]") then return false end
  local plain = name:lower():gsub("[^%w]", "-")
  if OURS[plain] then return true end
  for _, family in ipairs(FAMILIES) do
    if plain:sub(1, #family) == family then return true end
  end
  return false
end

-- clear takes them out of a request, where names may have more than letters, digits and dashes. It runs before anything looks at
-- headers: to NGINX's variables a dash and an underscore are the same. It gives a text, since NGINX wants one.
function M.clear()
  for name in pairs(ngx.req.get_headers(0)) do
    if M.is_one(name) then ngx.req.clear_header(name) end
  end
  return ""
end

return M
