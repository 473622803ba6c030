//! The kinds of bottleneck, and their descriptions.

use serde::Serialize;

/// The kinds of bottleneck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing: the run keeps up.
    #[default]
    Nothing,
    /// The workers are busy, and nothing is sent.
    Workers,
    /// The workers have work and wait for a processor.
    Processor,
    /// The source makes or reads too few records.
    Source,
    /// The remote side fails or is slow.
    Remote,
    /// The service of a call fails or is slow.
    Call,
    /// The limit on requests in flight is reached: the function's concurrency, or `--max-in-flight`.
    Concurrency,
    /// The budget is spent.
    Budget,
    /// The bridge's thread is busy.
    Bridge,
    /// The sink's writer is busy.
    Writer,
    /// Commits take too long.
    Commit,
    /// The destination of published output refuses lines or is slow.
    Publisher,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 12] = [
        Kind::Nothing,
        Kind::Workers,
        Kind::Processor,
        Kind::Source,
        Kind::Remote,
        Kind::Call,
        Kind::Concurrency,
        Kind::Budget,
        Kind::Bridge,
        Kind::Writer,
        Kind::Commit,
        Kind::Publisher,
    ];

    /// Returns the kind's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing",
            Kind::Workers => "workers",
            Kind::Processor => "processor",
            Kind::Source => "source",
            Kind::Remote => "remote",
            Kind::Call => "call",
            Kind::Concurrency => "concurrency",
            Kind::Budget => "budget",
            Kind::Bridge => "bridge",
            Kind::Writer => "writer",
            Kind::Commit => "commit",
            Kind::Publisher => "publisher",
        }
    }
}

/// The bottleneck of a run, in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bottleneck {
    /// The kind of bottleneck.
    pub kind: Kind,
    /// One sentence with the figures that show it.
    pub says: String,
    /// What to do about it.
    pub advice: String,
    /// The call for whose service records wait.
    pub call: Option<String>,
}

impl Bottleneck {
    pub(super) fn new(kind: Kind, says: String, advice: &str) -> Self {
        Bottleneck { kind, says, advice: advice.to_owned(), call: None }
    }
}

/// Returns a bottleneck that a check has found.
pub(super) fn found(kind: Kind, says: String, advice: &str) -> Option<Bottleneck> {
    Some(Bottleneck::new(kind, says, advice))
}
