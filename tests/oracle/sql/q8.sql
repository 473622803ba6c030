-- People who registered and opened an auction in the same 10 s.
SELECT DISTINCT person.id, name, person.date_time - person.date_time % 10000
FROM person JOIN auction ON seller = person.id AND auction.date_time // 10000 = person.date_time // 10000
