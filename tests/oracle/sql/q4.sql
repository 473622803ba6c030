-- The average winning price of all auctions, by category.
SELECT category, sum(price) // count(*)
FROM winner
GROUP BY category
