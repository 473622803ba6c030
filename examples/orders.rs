//! A chain of two stages with the time that each takes as an option: an order is checked, and each of its items is
//! priced. More than a worker can do is offered, and `deadline` sends at the stage where a dollar saves the most time:
//!
//!     cargo run --release --example orders -- run --source nexmark --rate 30k --duration 10s --policy deadline \
//!         --lambda local --sink null -- -w 1
//!     cargo run --release --example orders -- run --order 40us --item 5us --items 2 ...
//!
//! With options of one stage, orders are checked here, and items are sent in small requests:
//!
//!     cargo run --release --example orders -- run --source nexmark --rate 30k --duration 10s --policy deadline \
//!         --stage order.policy=local,item.batch=200 --sink null -- -w 1

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use floodway::units::parse_duration;
use timely::dataflow::operators::vec::Map as _;

#[derive(clap::Args)]
struct Options {
    /// Time that an order takes.
    #[arg(long, default_value = "10us", value_parser = parse_duration)]
    order: Duration,
    /// Time that an item takes.
    #[arg(long, default_value = "30us", value_parser = parse_duration)]
    item: Duration,
    /// Items of an order.
    #[arg(long, default_value_t = 3)]
    items: u64,
}

fn work(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        spin_loop();
    }
}

fn main() -> std::process::ExitCode {
    floodway::app("orders")
        .dataflow_with(|job, lines, options: &Options| {
            let Options { order, item, items } = *options;
            let orders = job.parse(lines, |line| Ok(line.len() as u64));
            let checked = job.burst("order", orders, move |number| {
                work(order);
                Ok(*number)
            });
            let each = checked.flat_map(move |number| (0..items).map(move |item| number + item));
            let priced = job.burst("item", each, move |number| {
                work(item);
                Ok(number * 100)
            });
            Ok(job.json_lines(priced))
        })
        .main()
}
