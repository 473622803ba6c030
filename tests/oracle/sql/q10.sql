-- Every bid with its day and its minute.
SELECT auction, bidder, price, date_time, extra, day_of(date_time), minute_of(date_time) FROM bid
