//! Where results are computed.

/// Where the final result of a record was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// On the worker.
    Local,
    /// By another worker of the same process.
    Peer,
    /// By the remote side.
    Remote,
    /// By the remote side, at the second attempt, because the first one was late.
    Hedged,
    /// By the worker, after the record was sent and returned.
    Returned,
}

impl Route {
    /// All routes, in the order of their discriminants.
    pub const ALL: [Route; 5] =
        [Route::Local, Route::Peer, Route::Remote, Route::Hedged, Route::Returned];

    /// Returns whether the remote side computed the result.
    pub fn is_remote(self) -> bool {
        matches!(self, Route::Remote | Route::Hedged)
    }

    /// Returns whether the worker computed the result, or the pool in its place.
    pub fn is_of_worker(self) -> bool {
        matches!(self, Route::Local | Route::Returned)
    }

    /// Returns the route with this name.
    pub fn named(name: &str) -> Option<Route> {
        Route::ALL.into_iter().find(|route| route.name() == name)
    }

    /// Returns the route's name, which is one word.
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
