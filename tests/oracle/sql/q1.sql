-- Every bid with its price in euros, with exactly three decimals.
SELECT auction, bidder, euros(price), date_time, extra FROM bid
