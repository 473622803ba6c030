-- The events as tables, each with the event's number n, and what several queries need.
CREATE TABLE person AS
SELECT n, id, name, email_address, credit_card, city, state, date_time, extra FROM event WHERE type = 'person';

CREATE TABLE auction AS
SELECT n, id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra
FROM event WHERE type = 'auction';

CREATE TABLE bid AS
SELECT n, auction, bidder, price, channel, url, date_time, extra, due
FROM event JOIN due USING (n) WHERE type = 'bid';

CREATE MACRO euros(price) AS (price * 908) // 1000 || '.' || lpad((price * 908 % 1000)::VARCHAR, 3, '0');
CREATE MACRO day_of(ms) AS strftime(make_timestamp(ms * 1000), '%Y-%m-%d');
CREATE MACRO minute_of(ms) AS strftime(make_timestamp(ms * 1000), '%H:%M');
CREATE MACRO rank_of(price) AS CASE WHEN price < 10000 THEN 1 WHEN price < 1000000 THEN 2 ELSE 3 END;

-- Each auction with its winning bid, if it has a valid one.
CREATE VIEW winner AS
SELECT
    a.n AS auction_n, id, item_name, description, initial_bid, reserve, a.date_time AS opened, expires, seller,
    category, a.extra AS auction_extra, auction, bidder, price, b.date_time AS date_time, b.extra AS extra
FROM auction AS a JOIN bid AS b ON auction = id AND b.date_time BETWEEN a.date_time AND expires
QUALIFY row_number() OVER (PARTITION BY id ORDER BY price DESC, b.date_time, b.n) = 1;
