//! What it costs a worker to have records done elsewhere: against a thread that echoes, and through
//! the bridge and HTTP on loopback. Times are CPU times of the worker's thread, a batch each.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{batches, loopback, thread_cpu, through_burst};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::unbounded;
use floodway::batch::Batch;
use floodway::bridge::{Outcome, Reply, ReplySender, reply_channel};
use floodway::operators::Burst;
use floodway::policy::Remote;
use floodway::task;

const SIZES: [u64; 4] = [1, 10, 100, 1_000];

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hand_over/echo");
    for size in SIZES {
        let batch = Arc::new(batches(1, size).remove(0));
        let (sender, parts) = unbounded::<(u64, Arc<Batch>, ReplySender<Batch>)>();
        let echoing = std::thread::spawn(move || {
            for (id, batch, port) in parts {
                let range = 0..batch.len();
                let outcome =
                    Outcome::Done { out: Batch::default(), refused: Vec::new(), hedged: false };
                port.send(Reply { id, range, usd: 0.0, outcome });
            }
        });
        group.throughput(Throughput::Elements(size));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, _| {
            bencher.iter_custom(|rounds| {
                let me = std::thread::current();
                let (port, inbox) = reply_channel(Arc::new(move || me.unpark()));
                let began = thread_cpu();
                let (mut sent, mut back) = (0, 0);
                while back < rounds {
                    // As many are in flight as a bridge allows.
                    while sent < rounds && sent - back < 64 {
                        sender.send((sent, Arc::clone(&batch), port.clone())).expect("it echoes");
                        sent += 1;
                    }
                    inbox.rearm();
                    let mut some = false;
                    while let Some(reply) = inbox.try_recv() {
                        std::hint::black_box(reply);
                        back += 1;
                        some = true;
                    }
                    if !some {
                        std::thread::park();
                    }
                }
                thread_cpu() - began
            });
        });
        drop(sender);
        echoing.join().expect("it ends");
    }
    group.finish();
}

fn http(criterion: &mut Criterion) {
    let (_lambda, bridge) = loopback();
    let words = task::text("words", Duration::ZERO).expect("it is built in");
    let mut group = criterion.benchmark_group("hand_over/http");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for size in SIZES {
        // Twenty batches are in flight at once.
        let twenty = batches(20, size);
        group.throughput(Throughput::Elements(20 * size));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, _| {
            bencher.iter_custom(|rounds| {
                let bridge = bridge.clone();
                through_burst(&twenty, rounds, &words, move || Burst::new(Remote).remote(&bridge))
            });
        });
    }
    group.finish();
    // The bridge's own thread, over batches of a thousand.
    let thousand = batches(20, 1_000);
    let before = bridge.counters();
    let of_burst = bridge.clone();
    through_burst(&thousand, 100, &words, move || Burst::new(Remote).remote(&of_burst));
    let after = bridge.counters();
    let records = (after.records_done - before.records_done) as f64;
    let seconds = (after.cpu_ns - before.cpu_ns) as f64 / 1e9;
    println!("bridge: {:.2} M records a second of its thread's CPU", records / seconds / 1e6);
    println!("of 2,000,000 records {records} came back from it");
}

criterion_group!(benches, echo, http);
criterion_main!(benches);
