-- session_open: store a session of the dashboard. It is a script so that an operator can sign in where the memory is full.
--
-- Keys:   <ns>:session:<digest>
-- ARGV:   digest of the token, session (JSON), for how long (s)
-- Answer: OK
-- Cost:   O(1)
return redis.call('SET', ns .. ':session:' .. ARGV[1], ARGV[2], 'EX', ARGV[3])
