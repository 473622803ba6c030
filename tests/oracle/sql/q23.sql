-- Bids by people who also sell, with the person and each of their auctions.
SELECT
    bidder, price, channel, url, bid.extra,
    person.id, name, email_address, credit_card, city, state, person.extra,
    item_name, description, initial_bid, reserve, auction.date_time, expires, seller, category, auction.extra
FROM bid JOIN person ON bidder = person.id JOIN auction ON seller = person.id
