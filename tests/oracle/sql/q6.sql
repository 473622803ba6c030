-- The average winning price of a seller's last ten closed auctions.
WITH last_ten AS (
    SELECT seller, price
    FROM winner
    QUALIFY row_number() OVER (PARTITION BY seller ORDER BY expires DESC, auction_n DESC) <= 10
)
SELECT seller, sum(price) // count(*) FROM last_ten GROUP BY seller
