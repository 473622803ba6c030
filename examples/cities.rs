//! A call: a service knows what no worker can compute. Start it first, and give its URL to the program:
//!
//!     python3 examples/cities.py 9000
//!     cargo run --example cities -- run --source lines:examples/cities.jsonl --out out/cities --overwrite
//!     cargo run --example cities -- run --help

use floodway::bridge::Settings;
use serde::{Deserialize, Serialize};

/// What a line says: `{"user":"ada","city":"Paris"}`.
#[derive(Clone, Deserialize, Serialize)]
struct Visit {
    user: String,
    city: String,
}

/// What the service answers for the name of a city.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
struct City {
    city: String,
    country: String,
    inhabitants: u64,
}

fn main() -> std::process::ExitCode {
    use timely::dataflow::operators::vec::Map as _;

    floodway::app("cities")
        .dataflow(|job, lines| {
            let visits = job.json::<Visit>(lines);
            let lookup = Settings {
                // Another one: --call lookup=URL.
                endpoint: "http://127.0.0.1:9000/".parse()?,
                max_in_flight: 4,
                requests_per_second: Some(200),
                ..Settings::call()
            };
            let cities = job.call::<_, City>("lookup", visits.map(|visit| visit.city), lookup);
            // What follows may be computed by workers or by a function, as ever.
            let sizes = job.burst("size", cities, |city| {
                let size = if city.inhabitants > 10_000_000 { "huge" } else { "large" };
                Ok((city.city.clone(), city.country.clone(), size.to_owned()))
            });
            Ok(job.json_lines(sizes))
        })
        .main()
}
