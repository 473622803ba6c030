//! Where results are made.

/// Where a record's final result was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// On the worker.
    Local,
    /// By another worker of the same process.
    Peer,
    /// By the remote side.
    Remote,
    /// By the remote side, at the second attempt, because the first was late.
    Hedged,
    /// On the worker, after the record was sent away and came home.
    Home,
}

impl Path {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Path; 5] = [Path::Local, Path::Peer, Path::Remote, Path::Hedged, Path::Home];

    /// Whether the remote side made it.
    pub fn is_remote(self) -> bool {
        matches!(self, Path::Remote | Path::Hedged)
    }

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Path::Local => "local",
            Path::Peer => "peer",
            Path::Remote => "remote",
            Path::Hedged => "hedged",
            Path::Home => "home",
        }
    }
}
