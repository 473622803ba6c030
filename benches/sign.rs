//! What a signature costs: a request with a body of 100 KB, and without hashing the body.

use std::hint::black_box;
use std::time::SystemTime;

use criterion::{Criterion, criterion_group, criterion_main};
use floodway::aws::{Credentials, Payload, Secret, Unsigned, sign};

const URL: &str = "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/\
    arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Awords/invocations";

fn signing(c: &mut Criterion) {
    let token = Secret::new("t".repeat(400));
    let key = Credentials::new("AKIDEXAMPLE", Secret::new("wJalrXUtnFEMI"), Some(token));
    let body = vec![b'x'; 100_000];
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let headers = [("content-type", "application/json"), ("x-amz-log-type", "Tail")];
    let mut group = c.benchmark_group("sign");
    for (name, payload) in [("100 KB", Payload::Bytes(&body)), ("hashed", Payload::Sha256(hash))] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let request = Unsigned { method: "POST", url: URL, headers: &headers, payload };
                sign(black_box(&request), &key, "us-east-1", "lambda", SystemTime::now())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, signing);
criterion_main!(benches);
