-- blocks: what work is parked for, and how many events are.
--
-- requires: describe_blocks
-- Keys:   those of describe_blocks; none is written
-- Answer: for each open block {name, number of parked events, field, value, field, value …}
-- Cost:   O(blocks)
return describe_blocks()
