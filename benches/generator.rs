//! How fast Nexmark events are made: in events a second, and for the lines in bytes too.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::{BATCH_RECORDS, Batch};
use floodway::nexmark::{Config, Generator};
use floodway::schedule::{Schedule, Shape};

/// Events of one measured call: as many as a batch holds.
const EVENTS: u64 = BATCH_RECORDS as u64;

/// Each call makes the next events, so that no branch is learned by heart.
struct Events(u64);

impl Events {
    fn next(&mut self) -> std::ops::Range<u64> {
        let start = self.0;
        self.0 += EVENTS;
        start..self.0
    }
}

fn generator(criterion: &mut Criterion) {
    let schedule = Schedule::new(Shape::Square, 1e6, 5e6, 10_000_000_000);
    let schedule = Arc::new(schedule.expect("the shape has rates"));
    let generator = Generator::new(Config::default(), 1, schedule.clone());
    let mut group = criterion.benchmark_group("generator");
    group.throughput(Throughput::Elements(EVENTS));

    let (mut events, mut batch) = (Events(0), Batch::default());
    group.bench_function("csv", |bencher| {
        bencher.iter(|| {
            batch.clear();
            generator.fill(events.next(), &mut batch);
            black_box(&batch);
        });
    });
    let (mut events, mut lines) = (Events(0), Vec::new());
    group.bench_function("json", |bencher| {
        bencher.iter(|| {
            lines.clear();
            generator.json_lines(events.next(), &mut lines);
            black_box(&lines);
        });
    });
    let mut events = Events(0);
    group.bench_function("typed", |bencher| {
        bencher.iter(|| events.next().for_each(|n| drop(black_box(generator.event(n)))));
    });
    let mut events = Events(0);
    group.bench_function("times", |bencher| {
        bencher.iter(|| schedule.cursor(events.next().start).take(EVENTS as usize).max());
    });
    group.finish();
}

criterion_group!(benches, generator);
criterion_main!(benches);
