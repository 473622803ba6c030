-- Every bid with the value that a table of 10,000 keys has for its auction.
SELECT auction, bidder, price, date_time, value
FROM bid JOIN (SELECT range AS key, range::VARCHAR AS value FROM range(10000)) ON key = auction % 10000
