//! The wire: a request of a thousand events written and read, and its answer, beside serde_json's
//! usual way.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::batches;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::batch::Strings;
use floodway::wire::{Answer, MAX_BODY, Request, RequestBody, answer_strings};
use serde::Serialize;

#[derive(Serialize)]
struct Owned<'a> {
    v: u32,
    task: &'a str,
    records: &'a [String],
}

fn json(criterion: &mut Criterion) {
    let batch = batches(1, 1_000).remove(0);
    let bytes = batch.strings.bytes().len() as u64;
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(bytes)).measurement_time(Duration::from_secs(3));

    let mut buffer = Vec::new();
    group.bench_function("request written", |bencher| {
        bencher.iter(|| {
            let taken = std::mem::take(&mut buffer);
            let mut body = RequestBody::begin(taken, "words", Duration::ZERO, MAX_BODY);
            body.push(black_box(&batch), 0..batch.len()).expect("text can be written");
            buffer = body.finish();
        });
    });
    let records: Vec<String> =
        batch.strings.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    group.bench_function("request written by serde_json", |bencher| {
        let request = Owned { v: 1, task: "words", records: &records };
        bencher.iter(|| serde_json::to_vec(black_box(&request)).expect("text can be written"));
    });
    group.bench_function("request read", |bencher| {
        bencher.iter(|| {
            let request: Request = serde_json::from_slice(black_box(&buffer)).expect("a request");
            black_box(request.records.len())
        });
    });
    let ids: Vec<u32> = (0..1_000).collect();
    let answer = answer_strings("words", &batch.strings, &ids, &[], false);
    group.bench_function("answer written", |bencher| {
        bencher.iter(|| answer_strings("words", black_box(&batch.strings), &ids, &[], false));
    });
    group.bench_function("answer read and checked", |bencher| {
        bencher.iter(|| {
            let answer: Answer<Strings> = serde_json::from_slice(black_box(&answer)).expect("one");
            let slots = answer.check("words", 1_000, answer.results.len()).expect("it is right");
            black_box(slots.run(1_000));
        });
    });
    group.bench_function("answer read into a Vec<String>", |bencher| {
        bencher.iter(|| {
            let answer: Answer<Vec<String>> =
                serde_json::from_slice(black_box(&answer)).expect("one");
            black_box(answer.results.len())
        });
    });
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
