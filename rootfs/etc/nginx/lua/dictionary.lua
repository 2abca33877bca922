-- dictionary.lua keeps entries in the dictionary of state: texts, each with the generation of the update that brought it.
-- That has a key of its own, so that a worker finds out what changed without copying anything.
--
-- It never looks into a text and decides nothing.

local shared = ngx.shared.sluice_state
local now = ngx.now

local M = {}

-- put stores a value or gives back what is wrong. Whatever happens, entries that are there stay.
function M.put(dict, key, value)
  local old = dict:get(key)
  if old == value then return nil end
  local ok, problem = dict:safe_set(key, value)
  if ok then return nil end
  -- A value of another size is dropped by the dictionary before the new one turns out not to fit.
  if old ~= nil then dict:safe_set(key, old) end
  return problem
end

-- kind gives the entries of one kind: functions that take an entry's name. With a counter, that key of the dictionary
-- says how many there are.
function M.kind(name, counter)
  local TEXT, GENERATION = name .. ":", name .. "-generation:"
  local kind = {}

  function kind.generation(entry) return shared:get(GENERATION .. entry) end

  function kind.text(entry) return shared:get(TEXT .. entry) end

  -- put stores a text, or gives back what is wrong. One that is there already keeps its generation.
  function kind.put(entry, text, generation)
    local is_new = kind.generation(entry) == nil
    if not is_new and kind.text(entry) == text then return nil end
    local problem = M.put(shared, TEXT .. entry, text) or M.put(shared, GENERATION .. entry, generation)
    if problem then
      if is_new then shared:delete(TEXT .. entry) end
      return problem
    end
    if is_new and counter then shared:incr(counter, 1) end
    return nil
  end

  function kind.drop(entry)
    if kind.generation(entry) == nil then return end
    shared:delete(GENERATION .. entry)
    shared:delete(TEXT .. entry)
    if counter then shared:incr(counter, -1) end
  end

  -- of gives the name of the entry that a key of the dictionary belongs to, or nil.
  function kind.of(key)
    return key:sub(1, #GENERATION) == GENERATION and key:sub(#GENERATION + 1) or nil
  end

  return kind
end

-- NGINX's clock stands still while it works through what has arrived, and so do these: reading them twice at one
-- time costs more than it could tell.
local generation, staying, read_at = 0, false, 0

-- current gives the generation of the last update. This is called for every request.
function M.current()
  local time = now()
  if time ~= read_at then
    generation, staying, read_at = shared:get("generation"), shared:get("staying"), time
  end
  return generation
end

-- staying gives, as of the last call of current, the configuration that is here to stay: "" for none, false if nobody said.
function M.staying() return staying end

return M
