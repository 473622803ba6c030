-- The bids between 1,000,000 and 50,000,000 euro cents, with a time of day and the number of c's in `extra`.
SELECT
    auction, bidder, euros(price),
    CASE
        WHEN date_time // 3600000 % 24 BETWEEN 8 AND 18 THEN 'dayTime'
        WHEN date_time // 3600000 % 24 IN (7, 19) THEN 'otherTime'
        ELSE 'nightTime'
    END,
    date_time, extra, length(extra) - length(replace(extra, 'c', ''))
FROM bid
WHERE 908 * price > 1000000000 AND 908 * price < 50000000000
