//! `words` against memcpy and against what is written by hand, and `bpe`, on Nexmark's text.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::Batch;
use floodway::nexmark::{Config, Generator};
use floodway::schedule::{Schedule, Shape};
use floodway::task::{self, Task as _};

fn events(count: u64) -> Batch {
    let schedule = Schedule::new(Shape::Constant, 10_000.0, 10_000.0, 0).expect("a schedule");
    let mut batch = Batch::default();
    Generator::new(Config::default(), 1, Arc::new(schedule)).fill(0..count, &mut batch);
    batch
}

fn tokenize(criterion: &mut Criterion) {
    let batch = events(1_000);
    let bytes = batch.strings.bytes().len();
    let mut group = criterion.benchmark_group("tokenize");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));

    let mut copy = Vec::with_capacity(bytes);
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| {
            copy.clear();
            copy.extend_from_slice(black_box(batch.strings.bytes()));
            black_box(copy.len())
        });
    });
    let words = task::text("words", Duration::ZERO).expect("it is built in");
    let (mut out, mut bad) = (words.results(&batch, &(0..batch.len())), Vec::new());
    group.bench_function("words", |bencher| {
        bencher.iter(|| {
            out.clear();
            words.compute(black_box(&batch), 0..batch.len(), &mut out, &mut bad);
            black_box(out.len())
        });
    });
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    group.bench_function("words, portable path", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            ends.clear();
            let all = 0..batch.len();
            task::all_words_portable(black_box(&batch.strings), all, &mut bytes, &mut ends);
            black_box(ends.len())
        });
    });
    let naive = Vec::from_iter((0..batch.len()).map(|at| batch.strings.text(at)));
    group.bench_function("words, split into a Vec<String>", |bencher| {
        bencher.iter(|| {
            let split = |c: char| !(c.is_alphanumeric() || c == '_');
            let words = black_box(&naive).iter().map(|text| {
                text.split(split).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            });
            words.map(|words: Vec<String>| words.len()).sum::<usize>()
        });
    });
    let bpe = task::text("bpe", Duration::ZERO).expect("it is built in");
    group.bench_function("bpe", |bencher| {
        bencher.iter(|| {
            out.clear();
            bpe.compute(black_box(&batch), 0..100, &mut out, &mut bad);
            black_box(out.len())
        });
    });
    group.finish();
}

criterion_group!(benches, tokenize);
criterion_main!(benches);
