-- consent: the latest opt-out and the latest opt-in of each number, so that neither the order of words nor their repetition
-- matters. A number is opted out where its latest opt-out is not older than its latest opt-in. Where numbers are hidden, one
-- may be known under several forms: as itself, and under each encryption key. Their latest words count, and what is written
-- takes the place of all of them.
--
-- Keys:   <ns>:optouts, <ns>:optout_keys
-- Cost:   O(forms)

-- count_form: keep the number of those that are hidden under one key; '' and plain numbers are not
local function count_form(ns, form, by)
  local key = form:match('^h:(%x%x%x%x%x%x%x%x):')
  if key and redis.call('HINCRBY', ns .. ':optout_keys', key, by) <= 0 then redis.call('HDEL', ns .. ':optout_keys', key) end
end

-- known_words: what is known under all forms, merged: {out, back, source}, '-' where there is nothing; and how many others
-- than the first form there are
local function known_words(ns, forms)
  local out, back, source, others = '-', '-', '-', 0
  for i, value in ipairs(redis.call('HMGET', ns .. ':optouts', unpack(forms))) do
    if value then
      local its_out, its_back, from = value:match('^(%S+) (%S+) (%S+)')
      if its_out ~= '-' and (out == '-' or tonumber(its_out) > tonumber(out)) then out, source = its_out, from end
      if its_back ~= '-' and (back == '-' or tonumber(its_back) > tonumber(back)) then back = its_back end
      if i > 1 then others = others + 1 end
    end
  end
  return out, back, source, others
end

-- write_words: keep what is known of a number under its first form alone
local function write_words(ns, forms, sealed, out, back, source)
  local key = ns .. ':optouts'
  local value = out .. ' ' .. back .. ' ' .. source .. (sealed ~= '' and ' ' .. sealed or '')
  if redis.call('HSET', key, forms[1], value) == 1 then count_form(ns, forms[1], 1) end
  for i = 2, #forms do
    if redis.call('HDEL', key, forms[i]) == 1 then count_form(ns, forms[i], -1) end
  end
end

-- hear: keep a word; forms = the number's, that of today first; sealed = the number itself, sealed ('' where it is not
-- hidden); at is ms. Answers whether anything changed.
local function hear(ns, forms, sealed, said, at, source)
  local out, back, from, others = known_words(ns, forms)
  local before = tonumber(said == 'out' and out or back)
  local news = not before or before < at
  if news and said == 'out' then out, from = string.format('%d', at), source end
  if news and said ~= 'out' then back = string.format('%d', at) end
  if news or others > 0 then write_words(ns, forms, sealed, out, back, from) end
  return news
end
