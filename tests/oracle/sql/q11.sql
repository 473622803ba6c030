-- How many bids a bidder made in each session, which ends 10 s after its last bid.
WITH starts AS (
    SELECT bidder, date_time, n,
        coalesce(date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time, n) >= 10000, true) AS is_start
    FROM bid
),
numbered AS (
    SELECT bidder, date_time, count(*) FILTER (is_start) OVER (PARTITION BY bidder ORDER BY date_time, n) AS session
    FROM starts
)
SELECT bidder, count(*), min(date_time), max(date_time) + 10000
FROM numbered
GROUP BY bidder, session
