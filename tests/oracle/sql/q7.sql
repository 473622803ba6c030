-- The bids with the highest price of each 10 s.
SELECT auction, bidder, price, date_time, extra
FROM bid
QUALIFY price = max(price) OVER (PARTITION BY date_time // 10000)
