-- acquire: may this call go to Telnyx, and when? It may not while a block that concerns it is open. One call is let through
-- as its probe once the time has come. The slot of a send is taken, and the blocks that the call is the probe of know it.
--
-- requires: admission
-- Keys:   those of admission
-- ARGV:   ticket (of this call, however often it asks), event id, max wait (ms until the slot), timeout of a probe (ms),
--         product ('': no limit concerns it), limit (a second), requeued ('1' | '0'), slot (one that it was given and did
--         not use, or ''), then names of blocks
-- Answer: {'granted', ms until the slot, slot, calm} | {'blocked', name, detail, advice} | {'deferred', ms until its turn}. calm =
--         '1' where no block, no failure and no limit of Telnyx's is known: then a success has nothing to report
-- Cost:   O(blocks + limit)
local asked = { ticket = ARGV[1], event = ARGV[2], max_wait = tonumber(ARGV[3]), product = ARGV[5],
  limit = tonumber(ARGV[6]), requeued = ARGV[7] == '1', blocks = { unpack(ARGV, 9) } }
local probed, blocked, calm = find_blocks(asked, exact_now())
if blocked then return blocked end
local answer, slots, keep, limited = { 'granted', 0, '' }, nil, nil, false
if asked.product ~= '' then
  if ARGV[8] ~= '' then redis.call('LREM', ns .. ':slots:' .. asked.product, -1, ARGV[8]) end
  -- It came before the present members of the line.
  asked.requeued = redis.call('ZREM', ns .. ':lookahead:' .. asked.product, asked.event) == 1 or asked.requeued
  answer, slots, keep, limited = find_slot(asked, 0, exact_now())
end
if answer[1] ~= 'granted' then return answer end
if slots then
  redis.call('RPUSH', slots, answer[3])
  redis.call('PEXPIRE', slots, keep)
end
for _, key in ipairs(probed) do
  redis.call('HSET', key, 'ticket', asked.ticket, 'prober', asked.event, 'probe_at', math.ceil(exact_now() + ARGV[4]))
end
answer[4] = calm and not limited and '1' or ''
return answer
