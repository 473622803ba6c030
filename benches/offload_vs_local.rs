//! When offloading pays: the CPU time of a worker's thread for twenty batches of 1,000 events, done
//! locally and done remotely over HTTP on loopback, for work that is nearly free (words) and for
//! real work (bpe). The local Lambda's own CPU time is not counted: in the cloud it is not ours.

mod common;

use std::time::Duration;

use common::{batches, loopback, through_burst};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::operators::Burst;
use floodway::policy::Remote;
use floodway::task;

fn offload(criterion: &mut Criterion) {
    let (_lambda, bridge) = loopback();
    for &name in task::NAMES {
        let task = task::text(name, Duration::ZERO).expect("it is built in");
        let count = if name == "words" { 20 } else { 2 };
        let some = batches(count, 1_000);
        let mut group = criterion.benchmark_group(format!("offload_vs_local/{name}"));
        group.throughput(Throughput::Elements(count * 1_000));
        group.sample_size(10).measurement_time(Duration::from_secs(4));
        group.bench_function("local", |bencher| {
            bencher.iter_custom(|rounds| through_burst(&some, rounds, &task, Burst::local));
        });
        group.bench_function("remote", |bencher| {
            bencher.iter_custom(|rounds| {
                let bridge = bridge.clone();
                through_burst(&some, rounds, &task, move || Burst::new(Remote).remote(&bridge))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, offload);
criterion_main!(benches);
