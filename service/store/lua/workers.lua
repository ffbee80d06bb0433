-- workers: the signs of all workers, and which event loops are blocked, at one moment.
--
-- Keys:   <ns>:workers, <ns>:blocked; none is written
-- Answer: {the server's time (ms), flat pairs of worker and `<last sign (ms)> <JSON>`, flat pairs of worker and JSON}
-- Cost:   O(workers)
return { now, redis.call('HGETALL', ns .. ':workers'), redis.call('HGETALL', ns .. ':blocked') }
