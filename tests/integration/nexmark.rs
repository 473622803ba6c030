//! Nexmark events: the same whoever makes them, in proportion, with ids that exist, at their time.

use std::path::Path;
use std::sync::Arc;

use floodway::batch::{Batch, Span};
use floodway::nexmark::{Auction, Bid, Config, Event, Generator, Person};
use floodway::schedule::{Schedule, Shape};
use proptest::prelude::*;

const BASE_TIME: u64 = 1_436_918_400_000;

fn generator_with(seed: u64, options: &[(&str, &str)]) -> Generator {
    let mut config = Config::default();
    for (key, value) in options {
        config.set(key, value).unwrap();
    }
    let schedule = Schedule::new(Shape::Square, 10_000.0, 50_000.0, 2_000_000_000).unwrap();
    Generator::new(config, seed, Arc::new(schedule))
}

fn generator(seed: u64) -> Generator {
    generator_with(seed, &[])
}

fn csv(event: &Event) -> String {
    match event {
        Event::Person(p) => format!(
            "{},{},{},{},{},{},{},{}",
            p.id, p.name, p.email_address, p.credit_card, p.city, p.state, p.date_time, p.extra
        ),
        Event::Auction(a) => format!(
            "{},{},{},{},{},{},{},{},{},{}",
            a.id,
            a.item_name,
            a.description,
            a.initial_bid,
            a.reserve,
            a.date_time,
            a.expires,
            a.seller,
            a.category,
            a.extra
        ),
        Event::Bid(b) => format!(
            "{},{},{},{},{},{},{}",
            b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra
        ),
    }
}

fn date_time(event: &Event) -> u64 {
    match event {
        Event::Person(person) => person.date_time,
        Event::Auction(auction) => auction.date_time,
        Event::Bid(bid) => bid.date_time,
    }
}

fn people(generator: &Generator, events: u64) -> Vec<Person> {
    let people = (0..events).filter_map(|n| match generator.event(n) {
        Event::Person(person) => Some(person),
        _ => None,
    });
    people.collect()
}

fn auctions(generator: &Generator, events: u64) -> Vec<(u64, Auction)> {
    let auctions = (0..events).filter_map(|n| match generator.event(n) {
        Event::Auction(auction) => Some((n, auction)),
        _ => None,
    });
    auctions.collect()
}

fn bids(generator: &Generator, events: u64) -> Vec<(u64, Bid)> {
    let bids = (0..events).filter_map(|n| match generator.event(n) {
        Event::Bid(bid) => Some((n, bid)),
        _ => None,
    });
    bids.collect()
}

/// Compares with a committed file; with `UPDATE_GOLDEN` in the environment, writes it.
fn golden(name: &str, actual: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(actual), expected, "{name} has changed");
}

#[test]
fn the_first_lines_of_seed_1_never_change() {
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    generator(1).csv_lines(0..12, &mut csv);
    generator(1).json_lines(0..12, &mut json);
    golden("nexmark-seed-1.csv", &csv);
    golden("nexmark-seed-1.jsonl", &json);
}

#[test]
fn typed_csv_and_json_agree() {
    let generator = generator(3);
    let (mut batch, mut json) = (Batch::default(), Vec::new());
    generator.fill(0..3_000, &mut batch);
    generator.json_lines(0..3_000, &mut json);
    let json = String::from_utf8(json).unwrap();
    for (n, line) in json.lines().enumerate() {
        let event = generator.event(n as u64);
        assert_eq!(batch.strings.text(n), csv(&event));
        assert_eq!(line, serde_json::to_string(&event).unwrap());
        assert_eq!(serde_json::from_str::<Event>(line).unwrap(), event);
        let mut alone = Vec::new();
        generator.json(n as u64, &mut alone);
        assert_eq!(alone, line.as_bytes());
    }
    assert_eq!(json.lines().count(), 3_000);
}

#[test]
fn fields_hold_nothing_that_csv_or_json_would_quote() {
    let mut batch = Batch::default();
    generator(4).fill(0..50_000, &mut batch);
    for (n, line) in batch.strings.iter().enumerate() {
        let fields = line.split(|&byte| byte == b',').count();
        assert_eq!(
            fields,
            if n % 50 == 0 {
                8
            } else if n % 50 < 4 {
                10
            } else {
                7
            }
        );
        assert!(line.iter().all(|byte| (b' '..0x7f).contains(byte) && !b"\"\\".contains(byte)));
    }
}

#[test]
fn entities_come_in_proportion_and_ids_without_a_gap() {
    let generator = generator(5);
    let ids: Vec<_> = people(&generator, 50_000).iter().map(|person| person.id).collect();
    assert!(ids.into_iter().eq(1_000..2_000));
    let ids: Vec<_> = auctions(&generator, 50_000).iter().map(|(_, a)| a.id).collect();
    assert!(ids.into_iter().eq(1_000..4_000));
    assert_eq!(bids(&generator, 50_000).len(), 46_000);
}

#[test]
fn sizes_are_the_averages_that_were_asked_for() {
    let generator = generator(6);
    let (mut batch, mut json) = (Batch::default(), Vec::new());
    generator.fill(0..100_000, &mut batch);
    generator.json_lines(0..100_000, &mut json);
    let (csv, json) = (batch.strings.bytes().len() / 100_000, json.len() / 100_000);
    assert!((190..210).contains(&csv), "{csv} bytes of CSV an event");
    assert!((260..290).contains(&json), "{json} bytes of JSON an event");

    // The reference's sizes: 8 bytes a number, without a bid's channel and url.
    let bids = bids(&generator, 100_000);
    let size = bids.iter().map(|(_, bid)| 32 + bid.extra.len()).sum::<usize>() / bids.len();
    assert!((99..=100).contains(&size), "{size} bytes a bid");
    let auctions = auctions(&generator, 100_000);
    let size = |a: &Auction| 48 + a.item_name.len() + a.description.len() + a.extra.len();
    let size = auctions.iter().map(|(_, a)| size(a)).sum::<usize>() / auctions.len();
    assert!((498..=502).contains(&size), "{size} bytes an auction");
}

#[test]
fn hot_auctions_and_bidders_follow_the_ratios() {
    let generator = generator(7);
    let share = |hot: usize, all: usize| hot as f64 / all as f64;
    let bids: Vec<_> = bids(&generator, 200_000).split_off(20_000);
    let hot_auction = |(n, bid): &&(u64, Bid)| {
        let last = n / 50 * 3 + 2;
        bid.auction == 1_000 + last / 100 * 100
    };
    let hot_bidder = |(n, bid): &&(u64, Bid)| bid.bidder == 1_000 + n / 50 / 100 * 100 + 1;
    // A little more than the ratio: the others hit the hot one too.
    let auctions = share(bids.iter().filter(hot_auction).count(), bids.len());
    assert!((0.49..0.52).contains(&auctions), "{auctions} of the bids are for the hot auction");
    let bidders = share(bids.iter().filter(hot_bidder).count(), bids.len());
    assert!((0.74..0.77).contains(&bidders), "{bidders} of the bids are by the hot bidder");
    let hot_channel = |(_, bid): &&(u64, Bid)| !bid.channel.starts_with("channel-");
    let channels = share(bids.iter().filter(hot_channel).count(), bids.len());
    assert!((0.49..0.51).contains(&channels), "{channels} of the bids come by a hot channel");

    let auctions = self::auctions(&generator, 200_000).split_off(1_000);
    let hot_seller = |(n, a): &&(u64, Auction)| a.seller == 1_000 + n / 50 / 100 * 100;
    let sellers = share(auctions.iter().filter(hot_seller).count(), auctions.len());
    assert!((0.73..0.78).contains(&sellers), "{sellers} of the auctions are by the hot seller");
}

#[test]
fn ids_refer_to_existing_or_upcoming_entities() {
    let generator = generator(8);
    for (n, auction) in auctions(&generator, 100_000) {
        let people = n / 50 + 1;
        let (oldest, newest) =
            (people.saturating_sub(1_000).min((people - 1) / 100 * 100), people + 9);
        assert!((1_000 + oldest..=1_000 + newest).contains(&auction.seller));
        assert!((10..15).contains(&auction.category));
        assert!((100..=100_000_000).contains(&auction.initial_bid));
        assert!(auction.reserve > auction.initial_bid);
        assert!(auction.expires > auction.date_time);
    }
    for (n, bid) in bids(&generator, 100_000) {
        let auctions = (n / 50 + 1) * 3;
        let oldest = auctions.saturating_sub(101).min((auctions - 1) / 100 * 100);
        assert!((1_000 + oldest..1_000 + auctions + 10).contains(&bid.auction), "{n}: {bid:?}");
        assert!((1_000..1_000 + n / 50 + 11).contains(&bid.bidder));
    }
}

#[test]
fn an_auction_lasts_as_long_as_a_hundred_take_to_be_made() {
    let schedule = Arc::new(Schedule::new(Shape::Constant, 10_000.0, 0.0, 0).unwrap());
    let generator = Generator::new(Config::default(), 9, schedule);
    let auctions = auctions(&generator, 100_000);
    let mean = auctions.iter().map(|(_, a)| a.expires - a.date_time).sum::<u64>() as f64
        / auctions.len() as f64;
    // 100 auctions are in 1,666 events, which take 166.6 ms.
    assert!((160.0..173.0).contains(&mean), "{mean} ms");
}

#[test]
fn event_time_follows_the_schedule() {
    let generator = generator(10);
    let mut per_second = [0; 4];
    for n in 0..120_000 {
        per_second[((date_time(&generator.event(n)) - BASE_TIME) / 1_000) as usize] += 1;
    }
    assert_eq!(per_second, [10_000, 50_000, 10_000, 50_000]);
}

#[test]
fn a_batch_states_its_event_numbers_and_time_span() {
    let generator = generator(11);
    let mut batch = Batch::default();
    generator.fill(100..200, &mut batch);
    generator.fill(200..200, &mut batch);
    generator.fill(200..201, &mut batch);
    assert_eq!((batch.len(), batch.numbers.get(0), batch.numbers.get(100)), (101, 100, 200));
    assert_eq!(batch.span, Span { first: 10_000_000, last: 20_000_000 });
}

#[test]
fn each_option_changes_only_what_it_names() {
    let plain = generator(12);
    let line = |generator: &Generator, n| csv(&generator.event(n));

    let later = generator_with(12, &[("first_event_number", "1000")]);
    assert_eq!(line(&later, 7), line(&plain, 1_007));

    let renamed = generator_with(12, &[("first_event_id", "1000")]);
    let (Event::Bid(a), Event::Bid(b)) = (renamed.event(7), plain.event(1_007)) else { panic!() };
    assert_eq!(Bid { date_time: b.date_time, ..a }, b);
    assert_eq!(date_time(&renamed.event(7)), date_time(&plain.event(7)));

    let group = generator_with(12, &[("out_of_order_group_size", "10")]);
    let mut shuffled: Vec<_> = (500..510).map(|n| line(&group, n)).collect();
    let mut ordered: Vec<_> = (500..510).map(|n| line(&plain, n)).collect();
    assert_ne!(shuffled, ordered);
    shuffled.sort();
    ordered.sort();
    assert_eq!(shuffled, ordered);

    let delayed = generator_with(12, &[("prob_delayed_event", "0.1"), ("base_time", "100000")]);
    let late = |n: &u64| {
        let (time, plain) = (date_time(&delayed.event(*n)), date_time(&plain.event(*n)));
        let delay = plain - BASE_TIME + 100_000 - time;
        assert!(delay <= 3_000);
        delay > 0
    };
    assert!((900..1_100).contains(&(0..10_000).filter(late).count()));

    let mixed = [("person_proportion", "0"), ("auction_proportion", "1"), ("bid_proportion", "0")];
    let mixed = generator_with(12, &mixed);
    assert!((0..100).all(|n| matches!(mixed.event(n), Event::Auction(a) if a.id == 1_000 + n)));
}

#[test]
fn event_time_stands_still_past_the_end_of_a_trace() {
    let schedule = Schedule::new(Shape::Trace("0,10\n1,0".parse().unwrap()), 0.0, 0.0, 0).unwrap();
    let generator = Generator::new(Config::default(), 1, Arc::new(schedule));
    assert_eq!(date_time(&generator.event(9)), BASE_TIME + 900);
    assert_eq!(date_time(&generator.event(1_000_000)), BASE_TIME + 1_000);
    let mut batch = Batch::default();
    generator.fill(0..100, &mut batch);
    assert_eq!((batch.len(), batch.span.last), (100, 1_000_000_000));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        seed: u64,
        first in prop_oneof![0u64..1_000, 0u64..1_000_000_000_000],
        cuts in proptest::collection::vec(0u64..200, 0..8),
        group in prop_oneof![Just(1u64), 2u64..50],
        size in prop_oneof![Just(100u64), 0u64..3_000],
    ) {
        let generator = generator_with(seed, &[
            ("out_of_order_group_size", &group.to_string()),
            ("avg_bid_byte_size", &size.to_string()),
        ]);
        let mut whole = Batch::default();
        generator.fill(first..first + 200, &mut whole);

        let mut cuts = cuts;
        cuts.extend([0, 200]);
        cuts.sort_unstable();
        let mut parts = Batch::default();
        for pair in cuts.windows(2) {
            generator.fill(first + pair[0]..first + pair[1], &mut parts);
        }
        prop_assert_eq!(&whole, &parts);
        for index in [0usize, 17, 199] {
            let event = generator.event(first + index as u64);
            prop_assert_eq!(whole.strings.text(index), csv(&event));
        }
    }
}

#[test]
fn the_fields_of_events_are_those_of_their_lines() {
    let options = [("prob_delayed_event", "0.1"), ("out_of_order_group_size", "70")];
    for generator in [generator(1), generator_with(7, &options)] {
        let events = 1_000..3_000;
        let mut seen = Vec::new();
        generator.bids(events.clone(), |number, bid| {
            let Event::Bid(event) = generator.event(number) else { panic!("{number} is no bid") };
            let mut texts = [Vec::new(), Vec::new(), Vec::new()];
            bid.push_channel(&mut texts[0]);
            bid.push_url(&mut texts[1]);
            bid.push_line(&mut texts[2]);
            let numbers = (bid.auction, bid.bidder, bid.price, bid.date_time);
            assert_eq!(numbers, (event.auction, event.bidder, event.price, event.date_time));
            assert_eq!(bid.extra(), event.extra.as_bytes());
            let line = csv(&Event::Bid(event.clone()));
            assert_eq!(
                texts.map(|text| String::from_utf8(text).unwrap()),
                [event.channel, event.url, line,]
            );
            seen.push(number);
        });
        let mut lines = Batch::default();
        generator.bid_lines(events.clone(), &mut lines);
        for (index, number) in seen.iter().enumerate() {
            assert_eq!(lines.numbers.get(index), *number);
            assert_eq!(lines.strings.text(index), csv(&generator.event(*number)));
        }
        generator.people_and_auctions(events.clone(), |number, event| {
            assert_eq!(event, generator.event(number));
            seen.push(number);
        });
        seen.sort_unstable();
        assert!(seen.into_iter().eq(events), "each event is a bid, or one of the others");
    }
}

#[test]
fn no_later_event_is_earlier_than_the_generator_says() {
    let options = [
        ("prob_delayed_event", "0.2"),
        ("out_of_order_group_size", "70"),
        ("first_event_number", "321"),
    ];
    for generator in [generator(1), generator_with(7, &options)] {
        let mut earliest = u64::MAX;
        for number in (0..5_000).rev() {
            earliest = earliest.min(generator.event(number).date_time());
            assert!(generator.earliest_from(number) <= earliest, "{number}");
        }
    }
}
