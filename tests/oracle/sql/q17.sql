-- Bids and prices of each auction and day.
SELECT
    auction, day_of(date_time) AS day,
    count(*), count(*) FILTER (rank_of(price) = 1), count(*) FILTER (rank_of(price) = 2),
    count(*) FILTER (rank_of(price) = 3),
    min(price), max(price), sum(price) // count(*), sum(price)
FROM bid
GROUP BY auction, day
