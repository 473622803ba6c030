//! How long a request takes in the process: `cargo run --release -p floodway-function --example time
//! < EVENT`, where the event is a request of, say, 1,000 records.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use floodway_function::Function;

fn main() {
    let began = Instant::now();
    let function = Function::new();
    println!("set up in {:?}", began.elapsed());
    let event = std::io::read_to_string(std::io::stdin()).unwrap();
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let began = Instant::now();
        function.answer(&event).unwrap();
        best = best.min(began.elapsed());
    }
    println!("the best of 200: {best:?}");
}
