//! What the burst operator costs where everything is done locally: Nexmark events split into words by
//! a plain unary operator, and by `burst` under the policy `local`. After criterion's own figures,
//! ten interleaved pairs and the ratio of their medians: these machines drift.

mod common;

use std::time::Duration;

use common::{generator, thread_cpu};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::Batch;
use floodway::operators::{Burst, BurstExt as _};
use floodway::task::{self, Task as _, TextTask};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator as _;
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle};

/// Events of a batch, batches of an epoch.
const RECORDS: u64 = 500;
const BATCHES: u64 = 200;

/// The CPU time of `epochs` epochs of the pipeline, generator included.
fn pipeline(epochs: u64, with_burst: bool) -> Duration {
    timely::execute_directly(move |worker| {
        let words: TextTask = task::text("words", Duration::ZERO).expect("it is built in");
        let mut input: InputHandle<u64, NoopBuilder<Batch>> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let events = scope.input_from(&mut input);
            let results = if with_burst {
                events.burst(words, Burst::local()).0
            } else {
                events.unary::<NoopBuilder<Batch>, _, _, _>(Pipeline, "Words", |_, _| {
                    move |input, output| {
                        input.for_each(|capability, batch: &mut Batch| {
                            let all = 0..batch.len();
                            let mut out = words.results(batch, &all);
                            words.compute(batch, all, &mut out, &mut Vec::new());
                            output.session_with_builder(&capability).give_container(&mut out);
                        });
                    }
                })
            };
            results.probe_with(&probe);
        });
        let generator = generator();
        let began = thread_cpu();
        for epoch in 0..epochs {
            for number in 0..BATCHES {
                let first = (epoch * BATCHES + number) * RECORDS;
                let mut batch = Batch::with_capacity(RECORDS as usize, 128 << 10);
                generator.fill(first..first + RECORDS, &mut batch);
                input.send_batch(&mut batch);
                worker.step();
            }
            input.advance_to(epoch + 1);
            while probe.less_than(input.time()) {
                worker.step();
            }
        }
        thread_cpu() - began
    })
}

fn overhead(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operator_overhead");
    group.throughput(Throughput::Elements(RECORDS * BATCHES));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, with_burst) in [("without burst", false), ("with burst, local", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|epochs| pipeline(epochs, with_burst));
        });
    }
    group.finish();

    const EPOCHS: u64 = 10;
    let mut pairs: Vec<[f64; 2]> = (0..10)
        .map(|_| [false, true].map(|with_burst| pipeline(EPOCHS, with_burst).as_secs_f64()))
        .collect();
    let events = (EPOCHS * RECORDS * BATCHES) as f64;
    let median = |pairs: &mut Vec<[f64; 2]>, of: fn(&[f64; 2]) -> f64| {
        pairs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        (of(&pairs[4]) + of(&pairs[5])) / 2.0
    };
    let ratio = median(&mut pairs, |pair| pair[1] / pair[0]);
    let without = median(&mut pairs, |pair| pair[0]) / events * 1e9;
    let with = median(&mut pairs, |pair| pair[1]) / events * 1e9;
    println!(
        "10 pairs: {without:.1} ns an event without burst, {with:.1} with; median ratio {ratio:.3}"
    );
}

criterion_group!(benches, overhead);
criterion_main!(benches);
