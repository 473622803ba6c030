-- Bids for auctions of category 10, with the auction.
SELECT
    bid.auction, bidder, price, channel, url, bid.date_time, bid.extra,
    item_name, description, initial_bid, reserve, auction.date_time, expires, seller, category, auction.extra
FROM bid JOIN auction ON bid.auction = auction.id
WHERE category = 10
