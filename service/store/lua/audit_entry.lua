-- audit_entry: write an entry of the audit log, and remove the oldest ones. A script runs where the memory is full too. Without
-- an entry nobody could drop or erase there, which makes room.
--
-- Keys:   <ns>:audit_log
-- ARGV:   most entries, then field, value …
-- Answer: the id of the entry
-- Cost:   O(fields)
return redis.call('XADD', ns .. ':audit_log', 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
