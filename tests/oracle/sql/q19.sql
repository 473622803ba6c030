-- The ten highest bids of each auction, with their rank.
SELECT
    auction, bidder, price, channel, url, date_time, extra,
    row_number() OVER (PARTITION BY auction ORDER BY price DESC, n) AS rank
FROM bid
QUALIFY rank <= 10
