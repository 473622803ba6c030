//! What deciding costs: the time spent in `plan` while a queue stands at its fullest, four times what
//! its worker can do, in containers of 1,000 records. A round is a millisecond of the stream; the
//! figure is a record that the worker or the remote side was given.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::{Nanos, Span};
use floodway::policy::{Deadline, Policy, Queue, Rates, RemoteLatency, Spill, Take, Threshold};

const MS: Nanos = 1_000_000;
const SLACK: Nanos = 200 * MS;

/// A worker's queue under four times its rate, in steps of a millisecond.
struct Overload {
    queue: Queue<()>,
    now: Nanos,
    rate: f64,
    arrived: f64,
    takes: Vec<Take>,
    planning: Duration,
    records: u64,
}

impl Overload {
    fn new(rate: f64) -> Self {
        Overload {
            queue: Queue::default(),
            now: 0,
            rate,
            arrived: 0.0,
            takes: Vec::new(),
            planning: Duration::ZERO,
            records: 0,
        }
    }

    fn step(&mut self, policy: &mut dyn Policy) {
        self.now += MS;
        self.arrived += 4.0 * self.rate / 1e3;
        while self.arrived >= 1_000.0 {
            self.arrived -= 1_000.0;
            let length = (1_000.0 / (4.0 * self.rate) * 1e9) as Nanos;
            let span = Span { first: self.now.saturating_sub(length), last: self.now };
            self.queue.push(0..1_000, self.now, span, SLACK, ());
        }
        let rates = Rates {
            local: Some(self.rate),
            waiting: self.queue.records(),
            remote: RemoteLatency {
                median: 40 * MS,
                p99: 50 * MS,
                cold_start: 200 * MS,
                failure_rate: 0.0,
            },
            slack: SLACK,
            ..Rates::default()
        };
        let queue = self.queue.entries();
        let began = Instant::now();
        policy.plan(black_box(self.now), black_box(&queue), rates, &mut self.takes);
        self.planning += began.elapsed();
        let records = &mut self.records;
        self.queue.take_all(&mut self.takes, |taken| *records += taken.entry.records() as u64);
        let mut local = (self.rate / 1e3) as usize;
        while local > 0
            && let Some(taken) = self.queue.take_front(local)
        {
            local -= taken.entry.records();
            self.records += taken.entry.records() as u64;
        }
    }
}

type Make = fn(f64) -> Box<dyn Policy>;

fn plan(criterion: &mut Criterion) {
    let policies: [(&str, Make); 3] = [
        ("threshold", |rate| Box::new(Threshold::new(rate))),
        ("spill", |rate| Box::new(Spill::new(rate, 100 * MS, 1))),
        ("deadline", |_| Box::new(Deadline::new(SLACK))),
    ];
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(1));
    for (name, make) in policies {
        for rate in [80_000.0, 1_000_000.0] {
            let id = BenchmarkId::new(name, format!("{rate} records/s"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|records| {
                    let mut policy = make(rate);
                    let mut overload = Overload::new(rate);
                    (0..1_000).for_each(|_| overload.step(policy.as_mut()));
                    (overload.planning, overload.records) = (Duration::ZERO, 0);
                    while overload.records < records.max(1) {
                        overload.step(policy.as_mut());
                    }
                    overload.planning.mul_f64(records as f64 / overload.records as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
