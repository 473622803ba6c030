-- Who sells in category 10 from OR, ID or CA, and what.
SELECT name, city, state, auction.id
FROM auction JOIN person ON seller = person.id
WHERE category = 10 AND state IN ('OR', 'ID', 'CA')
