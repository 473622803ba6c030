-- How many bids a bidder made in each 10 s of processing time.
SELECT bidder, count(*), due - due % 10000 AS start, start + 10000
FROM bid
GROUP BY bidder, start
