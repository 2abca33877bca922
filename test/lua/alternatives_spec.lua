-- alternatives_spec.lua: who goes to a canary, row by row as ingress-nginx decides it.

local alternatives = require("alternatives")
local stand_in = require("stand_in")

local function find(text, pattern)
  local from, _, problem = stand_in.find(text, pattern)
  return from, problem
end

-- never is the random number for a request that must not be decided by weight.
local function never() error("a random number was asked for") end

local function prepared(fields)
  fields.backend = fields.backend or "shop_next_80"
  return alternatives.prepare(fields)
end

-- chosen is the backend that takes a request with these variables, or "primary".
local function chosen(list, variables, random)
  for i = 1, #list do list[i] = prepared(list[i]) end
  local found = alternatives.choose(list, variables or {}, find, random or never)
  return found and found.backend or "primary"
end

local CANARY = "shop_next_80"

spec("alternatives: names become variables and log names", function()
  same(prepared({ header = "X-Canary-Of", cookie = "A-b", weight = 30, weight_total = 120 }), {
    backend = CANARY, name = "shop-next-80", header_variable = "http_x_canary_of", cookie_variable = "cookie_A-b", share = 0.25,
  })
end)

spec("alternatives: one that asks for nothing takes nothing", function()
  same(chosen({ {} }, { http_x = "always", cookie_x = "always" }), "primary")
  same(chosen({ { header_value = "a", header_pattern = "a" } }, { http_x = "a" }), "primary")
  same(chosen({}), "primary")
end)

local ONE = { weight = 1, weight_total = 1 } -- takes all that get as far as the weight

-- Header, what decides, and where the request goes: "weight" if it is left to cookie and weight.
local HEADERS = {
  { {}, "always", CANARY },
  { {}, "never", "primary" },
  { {}, "Always", "weight" },
  { {}, "NEVER", "weight" },
  { {}, "", "weight" },
  { {}, nil, "weight" },
  { { header_value = "blue" }, "blue", CANARY },
  { { header_value = "blue" }, "Blue", "weight" },
  { { header_value = "blue" }, "always", "weight" },
  { { header_value = "blue" }, "never", "weight" },
  { { header_value = "always" }, "always", CANARY },
  { { header_value = "blue", header_pattern = "red" }, "red", "weight" },
  { { header_value = "blue", header_pattern = "(" }, "red", "weight" },
  { { header_value = "blue", header_refused = true }, "red", "weight" },
  { { header_pattern = "^re" }, "red", CANARY },
  { { header_pattern = "e" }, "red", CANARY },
  { { header_pattern = "^e" }, "red", "weight" },
  { { header_pattern = "^e" }, "always", "weight" },
  { { header_pattern = "^e" }, "never", "weight" },
  { { header_pattern = "x*" }, "", CANARY },
  { { header_pattern = "(" }, "red", "primary" },
  { { header_pattern = "(" }, nil, "weight" },
  { { header_refused = true }, "always", "primary" },
  { { header_refused = true }, nil, "weight" },
}

spec("alternatives: a header decides before cookie and weight", function()
  for i, case in ipairs(HEADERS) do
    for _, rest in ipairs({ { ONE, {} }, { {}, { cookie_c = "always" } } }) do
      local fields = { header = "X-H", cookie = "c" }
      for key, value in pairs(case[1]) do fields[key] = value end
      for key, value in pairs(rest[1]) do fields[key] = value end
      local want = case[3] == "weight" and CANARY or case[3]
      same(chosen({ fields }, { http_x_h = case[2], cookie_c = rest[2].cookie_c }, function() return 0 end), want, "row " .. i)
    end
    local fields = { header = "X-H", cookie = "c", weight = 1, weight_total = 1 }
    for key, value in pairs(case[1]) do fields[key] = value end
    local want = case[3] == "weight" and "primary" or case[3]
    same(chosen({ fields }, { http_x_h = case[2], cookie_c = "never" }, function() return 0 end), want, "row " .. i .. " with a cookie")
  end
end)

spec("alternatives: a cookie decides before the weight", function()
  for value, want in pairs({ always = CANARY, never = "primary" }) do
    same(chosen({ { cookie = "c", weight = 50, weight_total = 100 } }, { cookie_c = value }), want)
  end
  for _, value in ipairs({ "", "Always", "maybe" }) do
    same(chosen({ { cookie = "c", weight = 1, weight_total = 1 } }, { cookie_c = value }, function() return 0.9 end), CANARY)
  end
end)

spec("alternatives: the weight is a share of its total", function()
  local almost = 1 - 2 ^ -53
  for _, case in ipairs({
    { 0, 100, nil, "primary" }, { 100, 100, almost, CANARY }, { 100, 100, 0, CANARY },
    { 30, 100, 0, CANARY }, { 30, 100, 0.29999, CANARY }, { 30, 100, 0.3, "primary" }, { 30, 100, almost, "primary" },
    { 500, 1000, 0.4999, CANARY }, { 500, 1000, 0.5, "primary" }, { 1, 10 ^ 9, 0, CANARY }, { 1, 10 ^ 9, 10 ^ -9, "primary" },
  }) do
    local random = case[3] and function() return case[3] end
    same(chosen({ { weight = case[1], weight_total = case[2] } }, {}, random), case[4], case[1] .. " of " .. case[2])
  end
end)

spec("alternatives: of several each gets its own share, by one random number", function()
  local function list()
    return {
      { backend = "a", weight = 1, weight_total = 4, header = "X", header_value = "a" },
      { backend = "b", weight = 2, weight_total = 4, cookie = "b" },
      { backend = "c", header = "X", header_value = "c" },
    }
  end
  local asked = 0
  for number, want in pairs({ [0] = "a", [0.2499] = "a", [0.25] = "b", [0.7499] = "b", [0.75] = "primary" }) do
    same(chosen(list(), {}, function()
      asked = asked + 1
      return number
    end), want, number)
  end
  same(asked, 5)
  same(chosen(list(), { http_x = "c" }, function() return 0.9 end), "c")
  same(chosen(list(), { http_x = "a" }), "a")
  -- Who is told not to go to one may still go to another.
  same(chosen(list(), { cookie_b = "never" }, function() return 0.3 end), "primary")
  same(chosen(list(), { cookie_b = "always" }, function() return 0.1 end), "a")
  same(chosen(list(), { cookie_b = "always" }, function() return 0.3 end), "b")
end)
