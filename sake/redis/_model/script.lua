-- Changes what few fields are changed by, and what depends on what is stored.
--
-- KEYS holds every key that is touched. ARGV is a row of steps, each with its arguments; a key is named by its number
-- in KEYS, 0 where there is none. "n …" stands for a count and so many arguments.
--
--   check  key length             ends it all unless the hash has so many fields
--   clear  key places told told   removes a list and its places, and tells the ids in them, where these are 1
--   drop   key places n id…       removes entries of a list, and their places
--   empty  key places channel     removes the entries that are in a channel
--   put    key n field value…     sets fields
--   amend  key n field value…     sets those fields that exist
--   place  key places n id channel…  says in which channel entries are that exist; '' for none
--   renew  key value              sets a string that exists, and keeps its lifetime
--   reset  key value lifetime     sets a string that exists, for so many milliseconds; 0 for ever
--   expire key n lifetime         lets so many strings, from this one on, live for so many milliseconds
--   rename staging key            puts a list in the place of another
--
-- Answers with what went wrong, and with the ids that were asked for.

local args, at, last = ARGV, 1, #ARGV
local CHUNK = 4000
local failed, told = {}, {}

-- One key that is not ours must not keep the others from being written.
local function call(name, key, ...)
  local answer = redis.pcall(name, key, ...)
  if type(answer) == 'table' and answer.err then
    -- What went wrong comes first: whoever names keys must not be able to say it.
    failed[#failed + 1] = tostring(answer.err) .. ' (' .. name .. ' ' .. key .. ')'
    return false
  end
  return answer
end

local function next_argument()
  at = at + 1
  return args[at - 1]
end

local function next_key()
  return KEYS[tonumber(next_argument())]
end

-- Returns where so many arguments begin and end.
local function next_list()
  local first = at + 1
  at = first + tonumber(args[at])
  return first, at - 1
end

local function remove(key, places, ids)
  for first = 1, #ids, CHUNK do
    local final = math.min(first + CHUNK - 1, #ids)
    if key then call('HDEL', key, unpack(ids, first, final)) end
    if places then call('HDEL', places, unpack(ids, first, final)) end
  end
end

local function tell(ids)
  for _, id in ipairs(ids or {}) do told[#told + 1] = id end
end

local run = {}

function run.clear()
  local key, places = next_key(), next_key()
  if next_argument() == '1' then tell(call('HKEYS', key)) end
  if next_argument() == '1' then tell(call('HVALS', places)) end
  if key then call('UNLINK', key) end
  if places then call('UNLINK', places) end
end

function run.drop()
  local key, places = next_key(), next_key()
  local first, final = next_list()
  local ids = {}
  for i = first, final do ids[#ids + 1] = args[i] end
  remove(key, places, ids)
end

function run.empty()
  local key, places, channel = next_key(), next_key(), next_argument()
  local found, ids = call('HGETALL', places) or {}, {}
  for i = 1, #found, 2 do
    if found[i + 1] == channel then ids[#ids + 1] = found[i] end
  end
  remove(key, places, ids)
end

function run.put()
  local key = next_key()
  local first, final = next_list()
  for start = first, final, CHUNK do
    call('HSET', key, unpack(args, start, math.min(start + CHUNK - 1, final)))
  end
end

function run.amend()
  local key = next_key()
  local first, final = next_list()
  for i = first, final, 2 do
    if call('HEXISTS', key, args[i]) == 1 then call('HSET', key, args[i], args[i + 1]) end
  end
end

function run.place()
  local key, places = next_key(), next_key()
  local first, final = next_list()
  for i = first, final, 2 do
    if call('HEXISTS', key, args[i]) == 1 then
      if args[i + 1] == '' then
        call('HDEL', places, args[i])
      else
        call('HSET', places, args[i], args[i + 1])
      end
    end
  end
end

function run.renew()
  local key = next_key()
  call('SET', key, next_argument(), 'XX', 'KEEPTTL')
end

function run.reset()
  local key, value, lifetime = next_key(), next_argument(), next_argument()
  if lifetime == '0' then
    call('SET', key, value, 'XX')
  else
    call('SET', key, value, 'XX', 'PX', lifetime)
  end
end

function run.expire()
  local first, count, lifetime = tonumber(next_argument()), tonumber(next_argument()), next_argument()
  for i = first, first + count - 1 do call('PEXPIRE', KEYS[i], lifetime) end
end

function run.rename()
  local staging, key = next_key(), next_key()
  call('RENAME', staging, key)
  call('PERSIST', key)
end

-- What was staged may have been evicted since: then nothing of it may replace what is there.
while args[at] == 'check' do
  at = at + 1
  local key, length = next_key(), tonumber(next_argument())
  if redis.call('HLEN', key) ~= length then
    return {{'TRYAGAIN ' .. key .. ' is not whole any more'}, {}}
  end
end

while at <= last do
  run[next_argument()]()
end

return {failed, told}
