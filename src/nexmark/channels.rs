//! The channels of bids, with their URLs.

use super::line_writer::{LineWriter, short_number};
use super::random::{Bits, Random};
use super::text::fresh_string;

const HOT: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const COLD: u64 = 10_000;
/// One bid in this many comes through a cold channel.
const HOT_RATIO: u64 = 2;

/// The parts in which URLs differ, in half a cache line. All 10,004 of them take 320 KB, which fits in the second level of
/// the cache. Copying a whole text `channel,url,` of 96 bytes needs fewer instructions and is as fast on an idle machine.
/// But a quarter of its time is spent waiting for the third level of the cache, which other workers share.
#[repr(align(32))]
#[derive(Clone, Copy, Debug, Default)]
struct Url {
    /// `aaaa/aaaa/aaaa/`.
    path: [u8; 15],
    path_len: u8,
    /// The number after `&channel_id=`. Its length is 0 if the URL has none.
    id: [u8; 11],
    id_len: u8,
}

/// A channel and its URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel<'c> {
    /// The name, in little-endian order.
    name: u128,
    name_len: usize,
    url: &'c Url,
}

impl Channel<'_> {
    /// Appends the name of the channel to `text`.
    pub(super) fn push_name(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.name.to_le_bytes()[..self.name_len]);
    }

    /// Appends the URL to `text`.
    pub(super) fn push_url(&self, text: &mut Vec<u8>) {
        let mut buffer = [0; 128];
        let mut line = LineWriter::new(&mut buffer);
        self.write_url(&mut line);
        let len = line.len();
        text.extend_from_slice(&buffer[..len]);
    }

    /// Appends the name of the channel.
    #[inline(always)]
    pub(super) fn write_name(&self, line: &mut LineWriter<'_>) {
        line.put(&self.name.to_le_bytes(), self.name_len);
    }

    /// Appends the URL.
    #[inline(always)]
    pub(super) fn write_url(&self, line: &mut LineWriter<'_>) {
        const ID: &[u8; 12] = b"&channel_id=";
        line.literal(b"https://www.nexmark.com/");
        line.put(&self.url.path, usize::from(self.url.path_len));
        line.literal(b"item.htm?query=1");
        line.put(ID, if self.url.id_len > 0 { ID.len() } else { 0 });
        line.put(&self.url.id, usize::from(self.url.id_len));
    }
}

/// All channels: the hot ones, then the cold ones.
#[derive(Debug)]
pub(super) struct Channels(Vec<Url>);

impl Channels {
    pub(super) fn new(mut random: Random) -> Channels {
        let random = &mut random;
        let hot = HOT.map(|_| Url::new(random, None));
        let mut urls = hot.to_vec();
        for number in 0..COLD {
            // The absolute value of the reference overflows for channel 1, and stays negative.
            let id = (number as i32).reverse_bits().wrapping_abs();
            let has_id = random.bits().below(10) > 0;
            urls.push(Url::new(random, has_id.then_some(id)));
        }
        Channels(urls)
    }

    /// Picks the channel of a bid. This takes 16 random bits.
    #[inline(always)]
    pub(super) fn pick(&self, bits: &mut Bits) -> Channel<'_> {
        let hot = bits.below(HOT_RATIO) > 0;
        let among = if hot { HOT.len() as u64 } else { COLD };
        self.channel(hot, bits.below(among))
    }

    #[inline(always)]
    fn channel(&self, hot: bool, number: u64) -> Channel<'_> {
        // Both names are made and one of them is used. Half of the bids are hot, so a branch would be mispredicted.
        let (digits, len) = short_number(number);
        let (cold_name, cold_len) = (COLD_NAME | u128::from(digits) << 64, 8 + len);
        let (hot_name, hot_len) = HOT_NAMES[number as usize % HOT.len()];
        Channel {
            name: if hot { hot_name } else { cold_name },
            name_len: if hot { hot_len } else { cold_len },
            url: &self.0[number as usize + if hot { 0 } else { HOT.len() }],
        }
    }
}

/// `channel-`, in little-endian order.
const COLD_NAME: u128 = u64::from_le_bytes(*b"channel-") as u128;

/// The hot channels' names in little-endian order, and their lengths.
const HOT_NAMES: [(u128, usize); 4] = {
    let mut names = [(0, 0); 4];
    let mut index = 0;
    while index < HOT.len() {
        let name = HOT[index].as_bytes();
        let mut at = 0;
        while at < name.len() {
            names[index].0 |= (name[at] as u128) << (8 * at);
            at += 1;
        }
        names[index].1 = name.len();
        index += 1;
    }
    names
};

impl Url {
    fn new(random: &mut Random, id: Option<i32>) -> Url {
        let mut part = || fresh_string(random, 5, b'_');
        let path = format!("{}/{}/{}/", part(), part(), part());
        let id = id.map_or(String::new(), |id| id.to_string());
        let mut url = Url { path_len: path.len() as u8, id_len: id.len() as u8, ..Url::default() };
        url.path[..path.len()].copy_from_slice(path.as_bytes());
        url.id[..id.len()].copy_from_slice(id.as_bytes());
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_and_url(channel: Channel<'_>) -> (String, String) {
        let written = |write: &dyn Fn(&mut LineWriter<'_>)| {
            let mut buffer = [0; 128];
            let mut line = LineWriter::new(&mut buffer);
            write(&mut line);
            let len = line.len();
            String::from_utf8(buffer[..len].to_vec()).unwrap()
        };
        (written(&|line| channel.write_name(line)), written(&|line| channel.write_url(line)))
    }

    #[test]
    fn channels_are_those_of_the_reference() {
        let channels = Channels::new(Random::of_event(1, 1));
        let hot = (0..4).map(|number| channels.channel(true, number));
        let cold = (0..10_000).map(|number| channels.channel(false, number));
        let all: Vec<_> = hot.chain(cold).map(name_and_url).collect();
        assert_eq!(all[3].0, "Apple");
        assert_eq!(all[4].0, "channel-0");
        assert_eq!(all[10_003].0, "channel-9999");
        let ids = all.iter().filter_map(|(_, url)| url.split_once("query=1&channel_id="));
        let ids: Vec<i32> = ids.map(|(_, id)| id.parse().unwrap()).collect();
        assert!((8_850..9_150).contains(&ids.len()));
        assert!(ids.contains(&9_999i32.reverse_bits().abs()));
        assert!(ids.contains(&i32::MIN), "that of channel 1");
        for (_, url) in &all {
            assert!(url.starts_with("https://www.nexmark.com/"));
            let parts: Vec<_> = url.split('/').collect();
            assert_eq!(parts.len(), 7);
            assert!(parts[3..6].iter().all(|part| (3..5).contains(&part.len())));
            assert!(parts[6].starts_with("item.htm?query=1"));
        }
    }
}
