//! Where results are made.

/// Where a record's final result was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// On the worker.
    Local,
    /// By another worker of the same process.
    Peer,
    /// By the remote side.
    Remote,
    /// By the remote side, at the second attempt, because the first was late.
    Hedged,
    /// On the worker, after the record was sent away and came home.
    Returned,
}

impl Route {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Route; 5] =
        [Route::Local, Route::Peer, Route::Remote, Route::Hedged, Route::Returned];

    /// Whether the remote side made it.
    pub fn is_remote(self) -> bool {
        matches!(self, Route::Remote | Route::Hedged)
    }

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Route::Local => "local",
            Route::Peer => "peer",
            Route::Remote => "remote",
            Route::Hedged => "hedged",
            Route::Returned => "home",
        }
    }
}
