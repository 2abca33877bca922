-- turns.lua keeps what most requests need of a backend in one short list. A request for one of thousands of backends waits for
-- memory more than for anything else: entry, pool, ring and peer are some twenty lines of the processor's cache, a list is two.
--
-- It is for backends whose requests are all alike and whose peers all work; others have no list. It is pure.

local recent = require("recent")
local new_table = require("table.new")

local random = math.random

-- What is where in a list: the generation of the state that it is known to hold for, the place of the address whose turn it is
-- and of the last one, and the pool it was made of. Address and port of each peer follow.
local SEEN, TURN, LAST, POOL, FIRST = 1, 2, 3, 4, 5

local HALF = 2 ^ 19 -- bytes in a half of what is kept
local SMALLEST, GROWTH = 170, 16 -- bytes that a list takes: each, and for a peer

local M = {}

-- new keeps nothing yet.
function M.new() return recent.new(HALF) end

-- of gives the list of the backend with a name, or nil unless it holds for a generation of the state.
function M.of(kept, name, generation)
  local list = recent.get(kept, name)
  return list and list[SEEN] == generation and list or nil
end

-- list_of makes the list of a pool. Somebody begins at random, so that workers do not march in step.
local function list_of(pool)
  local peers = pool.peers
  local list = new_table(FIRST - 1 + 2 * #peers, 1)
  for i = 1, #peers do
    local at = FIRST + 2 * (i - 1)
    list[at], list[at + 1] = peers[i].address, peers[i].port
  end
  list[LAST] = FIRST + 2 * (#peers - 1)
  list[TURN] = FIRST + 2 * (random(#peers) - 1)
  list[POOL], list.size = pool, SMALLEST + GROWTH * #peers
  return list
end

-- keep notes that the backend with a name has this pool at a generation, and gives the list if that is all there is to know. Turns
-- go on if it had the same before.
function M.keep(kept, name, generation, pool)
  if not pool.is_plain or pool.versions or pool.recheck or pool.count == 0 then return nil end
  local list = recent.get(kept, name)
  if not list or list[POOL] ~= pool then
    list = list_of(pool)
    recent.put(kept, name, list)
  end
  list[SEEN] = generation
  return list
end

-- take gives the address and port of the peer whose turn it is, and how many others there are.
function M.take(list)
  local at, last = list[TURN], list[LAST]
  list[TURN] = at < last and at + 2 or FIRST
  return list[at], list[at + 1], (last - FIRST) / 2
end

-- pool gives the one that the list was made of.
function M.pool(list) return list[POOL] end

-- forget is for a backend whose pool has changed: a peer is set aside.
function M.forget(kept, name) recent.drop(kept, name) end

return M
