-- The same for each channel and day, with the last minute seen.
SELECT
    channel, day_of(date_time) AS day, max(minute_of(date_time)),
    count(*), count(*) FILTER (rank_of(price) = 1), count(*) FILTER (rank_of(price) = 2),
    count(*) FILTER (rank_of(price) = 3),
    count(DISTINCT bidder), count(DISTINCT bidder) FILTER (rank_of(price) = 1),
    count(DISTINCT bidder) FILTER (rank_of(price) = 2), count(DISTINCT bidder) FILTER (rank_of(price) = 3),
    count(DISTINCT auction), count(DISTINCT auction) FILTER (rank_of(price) = 1),
    count(DISTINCT auction) FILTER (rank_of(price) = 2), count(DISTINCT auction) FILTER (rank_of(price) = 3)
FROM bid
GROUP BY channel, day
