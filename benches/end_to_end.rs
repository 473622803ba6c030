//! The whole job, Nexmark events to words in files, by Floodway's pipeline and by a hand-written
//! timely program of the same work that commits nothing: a worker that writes through a buffer.

mod common;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::generator;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::Batch;
use floodway::task::{self, Task as _};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator as _;
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle};

const EVENTS: u64 = 1_000_000;

/// By the command, with everything it does: returns the run's own wall time.
fn floodway(dir: &Path, sink: &str) -> Duration {
    let summary = dir.join("summary.json");
    let out = format!("files:{}{sink}", dir.join("out").display());
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_floodway"))
        .args(["run", "--rate", "max", "--events", &EVENTS.to_string(), "--overwrite"])
        .args(["--sink", &out, "--summary"])
        .arg(&summary)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("the command runs");
    assert!(status.success());
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(summary).expect("a summary")).expect("JSON");
    Duration::from_secs_f64(summary["wall_ms"].as_f64().expect("a number") / 1e3)
}

/// By hand: a generator, a unary operator, a writer in the worker.
fn by_hand(path: &Path) -> Duration {
    let file = File::create(path).expect("a file");
    timely::execute_directly(move |worker| {
        let words = task::text("words", Duration::ZERO).expect("it is built in");
        let mut input: InputHandle<u64, NoopBuilder<Batch>> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let mut writer = BufWriter::with_capacity(1 << 18, file);
            scope
                .input_from(&mut input)
                .unary::<NoopBuilder<Batch>, _, _, _>(Pipeline, "Words", |_, _| {
                    move |input, output| {
                        input.for_each(|capability, batch: &mut Batch| {
                            let all = 0..batch.len();
                            let mut out = words.results(batch, &all);
                            words.compute(batch, all, &mut out, &mut Vec::new());
                            for line in 0..out.len() {
                                let number = out.numbers.get(line);
                                write!(writer, "{number}\t").expect("it is written");
                                writer.write_all(out.strings.get(line)).expect("it is written");
                                writer.write_all(b"\n").expect("it is written");
                            }
                            output.session_with_builder(&capability).give_container(&mut out);
                        });
                    }
                })
                .probe_with(&probe);
        });
        let generator = Arc::new(generator());
        let began = Instant::now();
        for number in 0..EVENTS / 1_000 {
            let mut batch = Batch::with_capacity(1_000, 256 << 10);
            generator.fill(number * 1_000..(number + 1) * 1_000, &mut batch);
            input.send_batch(&mut batch);
            input.advance_to(number / 100);
            worker.step();
        }
        input.close();
        while !probe.done() {
            worker.step();
        }
        began.elapsed()
    })
}

fn end_to_end(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("end_to_end");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for (name, sink) in [("floodway, sync=none", "?sync=none"), ("floodway, durable", "")] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|runs| (0..runs).map(|_| floodway(dir.path(), sink)).sum());
        });
    }
    group.bench_function("by hand, nothing committed", |bencher| {
        let path = dir.path().join("by-hand");
        bencher.iter_custom(|runs| (0..runs).map(|_| by_hand(&path)).sum());
    });
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
