//! A program of one's own: clicks are fetched, each has some links, and each link is scored. It has the command line
//! of `floodway`:
//!
//!     cargo run --example clicks -- run --source lines:examples/clicks.jsonl --out out/scores --overwrite
//!     cargo run --example clicks -- run --help

use floodway::task::Code;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::Map as _;

/// What a line says: `{"user":"ada","page":"/b/c"}`.
#[derive(Clone, Deserialize, Serialize)]
struct Click {
    user: String,
    page: String,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
struct Score {
    user: String,
    link: String,
    score: u64,
}

/// Returns the folders of the page, which must begin with a slash.
fn fetch(click: &Click) -> Result<Vec<(String, String)>, Code> {
    let path = click.page.strip_prefix('/').ok_or(Code("no_page".into()))?;
    Ok(path.split('/').map(|link| (click.user.clone(), link.to_owned())).collect())
}

/// Returns the score of a link.
fn score((user, link): &(String, String)) -> Result<Score, Code> {
    let score = link.bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000);
    Ok(Score { user: user.clone(), link: link.clone(), score })
}

fn main() -> std::process::ExitCode {
    floodway::app("clicks")
        .version(env!("CARGO_PKG_VERSION"))
        .dataflow(|job, lines| {
            let clicks = job.json(lines);
            let pages = job.burst("fetch", clicks, fetch);
            let scores = job.burst("score", pages.flat_map(|links| links), score);
            Ok(job.json_lines(scores))
        })
        .main()
}
