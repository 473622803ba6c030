-- Each auction with its winning bid.
SELECT
    id, item_name, description, initial_bid, reserve, opened, expires, seller, category, auction_extra,
    auction, bidder, price, date_time, extra
FROM winner
