-- The auctions with the most bids in each 10 s, every 2 s.
WITH counts AS (
    SELECT date_time - date_time % 2000 - 2000 * back AS start, auction, count(*) AS num
    FROM bid, range(5) AS panes(back)
    GROUP BY ALL
)
SELECT auction, num FROM counts QUALIFY num = max(num) OVER (PARTITION BY start)
