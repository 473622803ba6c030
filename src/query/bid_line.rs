//! A bid as a line of CSV: `auction,bidder,price,channel,url,date_time,extra`.

/// The fields of a line, which are texts.
pub(super) struct BidLine<'a> {
    pub auction: &'a [u8],
    pub bidder: &'a [u8],
    pub price: &'a [u8],
    pub channel: &'a [u8],
    pub url: &'a [u8],
    pub date_time: &'a [u8],
    pub extra: &'a [u8],
    line: &'a [u8],
}

impl<'a> BidLine<'a> {
    /// Splits a line. What is missing is empty.
    #[inline]
    pub(super) fn new(line: &'a [u8]) -> Self {
        let mut rest = line;
        let mut field = || {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            let field = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            field
        };
        let [auction, bidder, price, channel, url, date_time] = std::array::from_fn(|_| field());
        BidLine { auction, bidder, price, channel, url, date_time, extra: rest, line }
    }

    /// Returns `auction,bidder`, as it stands in the line.
    pub(super) fn auction_and_bidder(&self) -> &'a [u8] {
        self.up_to(self.auction.len() + 1 + self.bidder.len())
    }

    /// Returns `auction,bidder,price`, as it stands in the line.
    pub(super) fn up_to_price(&self) -> &'a [u8] {
        self.up_to(self.auction.len() + self.bidder.len() + self.price.len() + 2)
    }

    /// Returns `date_time,extra`, as it stands in the line.
    pub(super) fn time_and_extra(&self) -> &'a [u8] {
        let len = self.date_time.len() + 1 + self.extra.len();
        &self.line[self.line.len().saturating_sub(len)..]
    }

    /// Appends `auction,bidder,price,date_time,extra`.
    pub(super) fn push_without_channel(&self, row: &mut Vec<u8>) {
        push_fields(row, &[self.up_to_price(), self.time_and_extra()]);
    }

    /// Returns the first bytes of the line. One that is no bid may have fewer.
    fn up_to(&self, len: usize) -> &'a [u8] {
        &self.line[..len.min(self.line.len())]
    }
}

/// Returns the number that a field is. Its bytes that are no digits do not count.
#[inline]
pub(super) fn number(field: &[u8]) -> u64 {
    let digits = field.iter().filter(|byte| byte.is_ascii_digit());
    digits
        .fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// Appends texts with commas between them.
pub(super) fn push_fields(row: &mut Vec<u8>, fields: &[&[u8]]) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            row.push(b',');
        }
        row.extend_from_slice(field);
    }
}

/// Appends a number in decimal.
#[inline]
pub(super) fn push_number(row: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    row.extend_from_slice(&digits[at..]);
}

/// Appends a price in euro cents, with exactly three decimals. A dollar is 0.908 euros.
pub(super) fn push_euros(row: &mut Vec<u8>, price: u64) {
    // price · 908 may have more than 64 bits.
    let (thousands, rest) = (price / 1_000, price % 1_000 * 908);
    push_number(row, thousands * 908 + rest / 1_000);
    let below = rest % 1_000;
    row.push(b'.');
    row.extend([below / 100, below / 10 % 10, below % 10].map(|digit| b'0' + digit as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_its_commas() {
        let line = BidLine::new(b"1000,1002,88749,Google,https://a/b?x=1,1436918400000,");
        assert_eq!(
            (line.auction, line.channel, line.extra),
            (&b"1000"[..], &b"Google"[..], &b""[..])
        );
        assert_eq!(line.auction_and_bidder(), b"1000,1002");
        assert_eq!(line.up_to_price(), b"1000,1002,88749");
        assert_eq!(line.time_and_extra(), b"1436918400000,");
        for short in [&b""[..], b"12", b"1,2,3"] {
            let line = BidLine::new(short);
            line.push_without_channel(&mut Vec::new());
            assert!(line.auction_and_bidder().len() <= short.len());
        }
        let mut euros = Vec::new();
        push_euros(&mut euros, number(line.price));
        assert_eq!(euros, b"80584.092");
    }
}
