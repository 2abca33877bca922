-- alternatives.lua decides whether a request goes to another backend than that of its location: a canary.
--
-- It is pure: the request's variables and random numbers come in, an alternative goes out. It never looks at
-- endpoints: whoever asks falls back to the location's own backend if the alternative has none.

local floor, lower = math.floor, string.lower

local LONGEST_NAME, LONGEST_TEXT = 512, 4096
local MOST_WEIGHT = 10 ^ 14 - 1 -- cjson writes numbers with 14 digits
local TEXTS = { "header", "header_value", "header_pattern", "cookie" }

local M = {}

local function is_text(value, longest) return type(value) == "string" and value ~= "" and #value <= longest end

local function is_count(value, from, to)
  return type(value) == "number" and value == floor(value) and value >= from and value <= to
end

-- check gives nil if an alternative of a document is good, else what is wrong with it.
function M.check(alternative)
  if type(alternative) ~= "table" then return "an alternative is not an object" end
  if not is_text(alternative.backend, LONGEST_NAME) then return "an alternative has a bad backend" end
  for _, field in ipairs(TEXTS) do
    local text = alternative[field]
    if text ~= nil and not is_text(text, LONGEST_TEXT) then return "an alternative has a bad " .. field end
  end
  local refused, weight, total = alternative.header_refused, alternative.weight, alternative.weight_total
  if refused ~= nil and type(refused) ~= "boolean" then return "an alternative has a bad header_refused" end
  if total ~= nil and not is_count(total, 1, MOST_WEIGHT) then return "an alternative has a bad weight_total" end
  if weight ~= nil and not is_count(weight, 0, total or 0) then return "an alternative has a bad weight" end
  return nil
end

-- prepare brings an alternative of a document (Alternative in nginx/dynamic/state.go) into the form that is stored:
-- NGINX's variables in place of the names of header and cookie, and the name that logs give the backend.
function M.prepare(alternative)
  local header, cookie = alternative.header, alternative.cookie
  return {
    backend = alternative.backend,
    name = alternative.backend:gsub("_", "-"),
    header_variable = header and "http_" .. lower(header):gsub("-", "_"),
    header_value = alternative.header_value,
    header_pattern = alternative.header_pattern,
    header_refused = alternative.header_refused,
    cookie_variable = cookie and "cookie_" .. cookie,
    share = (alternative.weight or 0) / (alternative.weight_total or 1),
  }
end

-- by_header is the answer of a header's value: true for the alternative, false against it, nil for neither.
local function by_header(alternative, value, find)
  if alternative.header_value then
    if value == alternative.header_value then return true end
    return nil
  end
  if alternative.header_refused then return false end
  if alternative.header_pattern then
    local from, problem = find(value, alternative.header_pattern)
    if from then return true end
    -- A pattern that cannot be matched decides against the alternative, whatever cookie and weight say.
    if problem then return false end
    return nil
  end
  if value == "always" then return true end
  if value == "never" then return false end
  return nil
end

-- wants is the answer of header and cookie together.
local function wants(alternative, variables, find)
  local header = alternative.header_variable and variables[alternative.header_variable]
  if header then
    local answer = by_header(alternative, header, find)
    if answer ~= nil then return answer end
  end
  local cookie = alternative.cookie_variable and variables[alternative.cookie_variable]
  if cookie == "always" then return true end
  if cookie == "never" then return false end
  return nil
end

-- choose gives the alternative in the list that takes the request, or nil if none does. variables are NGINX's;
-- find(text, pattern) gives where a pattern is found, or nil and what is wrong with it; random() is a number
-- from 0 to below 1.
function M.choose(list, variables, find, random)
  local draw
  for i = 1, #list do
    local alternative = list[i]
    local answer = wants(alternative, variables, find)
    if answer then return alternative end
    local share = alternative.share
    if answer == nil and share > 0 then
      draw = draw or random()
      if draw < share then return alternative end
      draw = draw - share
    end
  end
  return nil
end

-- of_location gives those of a backend's entry that are for the location of a request with these variables, or nil.
function M.of_location(servers, variables)
  local paths = servers[variables.server_name]
  if not paths then return nil end
  local path = variables.location_path
  if variables.path_type == "Exact" then path = "=" .. path end
  return paths[path]
end

return M
