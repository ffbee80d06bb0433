-- acquire: may this call go to Telnyx, and when? No, while a cause that concerns it is open, unless the time has come for a
-- probe and none is on its way.
--
-- requires: admission
-- Keys:   those of admission
-- ARGV:   ticket (of this call, however often it asks), event id, patience (ms until the slot), probe's patience (ms),
--         product ('': no limit concerns it), limit (a second), coming back ('1' | '0'), slot (one that it was given and did
--         not use, or ''), then names of causes
-- Answer: {'granted', ms until the slot, slot} | {'blocked', name, detail, advice} | {'deferred', ms until its turn}
-- Cost:   O(causes + limit)
local asked = { ticket = ARGV[1], event = ARGV[2], patience = tonumber(ARGV[3]), product = ARGV[5],
  limit = tonumber(ARGV[6]), back = ARGV[7] == '1', causes = {} }
for i = 9, #ARGV do asked.causes[#asked.causes + 1] = ARGV[i] end
return admit(asked, ARGV[8], tonumber(ARGV[4]), exact_now())
