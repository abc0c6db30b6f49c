# SPDX-License-Identifier: BSD-3-Clause
"""The one script: what few fields are changed by, and what depends on what is stored. Pure."""

from __future__ import annotations

__all__ = ["SOURCE"]

import typing

SOURCE: typing.Final = """
local args, at, last = ARGV, 1, #ARGV
local CHUNK = 4000
local failed = {}

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

local function each_of(name, key, list)
  for first = 1, #list, CHUNK do
    call(name, key, unpack(list, first, math.min(first + CHUNK - 1, #list)))
  end
end

-- The scope at work: keys of its entities, of its lookup tables, and its guild. '' where the kind has none.
local hash, single, owners, places, channels, guilds, guild

local function leave(ids)
  if owners ~= '' then each_of('HDEL', owners, ids) end
  if places == '' then return end
  for _, id in ipairs(ids) do
    local channel = call('HGET', places, id)
    if channel then call('HDEL', channels .. channel, id) end
  end
  each_of('HDEL', places, ids)
end

local function remove(ids)
  if #ids == 0 then return end
  if hash ~= '' then
    each_of('HDEL', hash, ids)
  else
    for _, id in ipairs(ids) do call('UNLINK', single .. id) end
  end
  leave(ids)
end

local run = {}

function run.scope()
  hash, single, owners, places, channels, guilds, guild = unpack(args, at, at + 6)
  at = at + 7
end

function run.clear()
  if hash == '' or places ~= '' then
    remove(call('HKEYS', hash == '' and places or hash) or {})
  elseif owners ~= '' then
    each_of('HDEL', owners, call('HKEYS', hash) or {})
  end
  if hash ~= '' then call('UNLINK', hash) end
  if guilds ~= '' then call('SREM', guilds, guild) end
end

function run.empty()
  remove(call('HKEYS', channels .. args[at]) or {})
  at = at + 1
end

function run.drop()
  local count = tonumber(args[at])
  local ids = {}
  for i = 1, count do ids[i] = args[at + i] end
  remove(ids)
  at = at + 1 + count
end

local function place(id, channel)
  local before = call('HGET', places, id)
  if before and before ~= channel then call('HDEL', channels .. before, id) end
  if channel ~= '' then
    call('HSET', channels .. channel, id, guild)
    call('HSET', places, id, channel)
  elseif before then
    call('HDEL', places, id)
  end
end

function run.place()
  local count = tonumber(args[at])
  for i = at + 1, at + count, 2 do place(args[i], args[i + 1]) end
  at = at + 1 + count
end

function run.move()
  local count = tonumber(args[at])
  for i = at + 1, at + count, 2 do
    if call('HEXISTS', hash, args[i]) == 1 then place(args[i], args[i + 1]) end
  end
  at = at + 1 + count
end

function run.unlink()
  call('UNLINK', args[at])
  at = at + 1
end

function run.mark()
  local key, count = args[at], tonumber(args[at + 1])
  for i = at + 2, at + 1 + count do call('SADD', key, args[i]) end
  at = at + 2 + count
end

function run.unmark()
  local key, count = args[at], tonumber(args[at + 1])
  for i = at + 2, at + 1 + count do call('SREM', key, args[i]) end
  at = at + 2 + count
end

function run.put()
  local key, count = args[at], tonumber(args[at + 1])
  call('HSET', key, unpack(args, at + 2, at + 1 + count))
  at = at + 2 + count
end

function run.delete()
  local key, count = args[at], tonumber(args[at + 1])
  call('HDEL', key, unpack(args, at + 2, at + 1 + count))
  at = at + 2 + count
end

function run.amend()
  local key, count = args[at], tonumber(args[at + 1])
  for i = at + 2, at + 1 + count, 2 do
    if call('HEXISTS', key, args[i]) == 1 then call('HSET', key, args[i], args[i + 1]) end
  end
  at = at + 2 + count
end

function run.renew()
  local count = tonumber(args[at])
  for i = at + 1, at + count, 2 do call('SET', args[i], args[i + 1], 'XX', 'KEEPTTL') end
  at = at + 1 + count
end

function run.reset()
  local lifetime, count = args[at], tonumber(args[at + 1])
  for i = at + 2, at + 1 + count, 2 do
    if lifetime == '0' then
      call('SET', args[i], args[i + 1], 'XX')
    else
      call('SET', args[i], args[i + 1], 'XX', 'PX', lifetime)
    end
  end
  at = at + 2 + count
end

function run.expire()
  local lifetime, count = args[at], tonumber(args[at + 1])
  for i = at + 2, at + 1 + count do call('PEXPIRE', args[i], lifetime) end
  at = at + 2 + count
end

function run.rename()
  call('RENAME', args[at], args[at + 1])
  call('PERSIST', args[at + 1])
  at = at + 2
end

-- What was staged may have been evicted since: then nothing of it may replace what is there.
while args[at] == 'check' do
  if redis.call('HLEN', args[at + 1]) ~= tonumber(args[at + 2]) then
    return {'TRYAGAIN ' .. args[at + 1] .. ' is not whole any more'}
  end
  at = at + 3
end

while at <= last do
  local step = run[args[at]]
  at = at + 1
  step()
end

return failed
"""
