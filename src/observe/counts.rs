//! Counts of records by where their final result was made.

use serde::{Deserialize, Serialize};

use crate::policy::Route;
use crate::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

/// The number of records, by the route of their final result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Computed by the worker.
    pub local: u64,
    /// Computed by another worker of the process.
    pub peer: u64,
    /// Computed by the remote side.
    pub remote: u64,
    /// Those of the remote ones that a hedge computed.
    pub hedged: u64,
    /// Returned by the remote side undone, and then computed by the worker.
    pub home: u64,
    /// Bad records.
    pub bad: u64,
}

impl Counts {
    /// Counts `records` results that were made by `route`.
    pub fn count(&mut self, route: Route, records: u64) {
        match route {
            Route::Local => self.local += records,
            Route::Peer => self.peer += records,
            Route::Remote => self.remote += records,
            Route::Hedged => {
                self.remote += records;
                self.hedged += records;
            }
            Route::Returned => self.home += records,
        }
    }

    /// Returns what was counted since `before`.
    pub fn since(&self, before: &Counts) -> Counts {
        Counts {
            local: self.local.saturating_sub(before.local),
            peer: self.peer.saturating_sub(before.peer),
            remote: self.remote.saturating_sub(before.remote),
            hedged: self.hedged.saturating_sub(before.hedged),
            home: self.home.saturating_sub(before.home),
            bad: self.bad.saturating_sub(before.bad),
        }
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Counts) {
        let Counts { local, peer, remote, hedged, home, bad } = other;
        self.local += local;
        self.peer += peer;
        self.remote += remote;
        self.hedged += hedged;
        self.home += home;
        self.bad += bad;
    }

    /// Returns the number of results that were made by `route`.
    pub fn by(&self, route: Route) -> u64 {
        match route {
            Route::Local => self.local,
            Route::Peer => self.peer,
            Route::Remote => self.remote - self.hedged,
            Route::Hedged => self.hedged,
            Route::Returned => self.home,
        }
    }

    /// Returns the number of results that workers computed for themselves and for each other. The summary, the
    /// metrics and the page call all of them local.
    pub fn by_workers(&self) -> u64 {
        self.local + self.peer
    }

    /// Returns the number of records with a result.
    pub fn results(&self) -> u64 {
        self.by_workers() + self.remote + self.home
    }

    /// Returns the number of records that are done.
    pub fn done(&self) -> u64 {
        self.results() + self.bad
    }
}

/// [`Counts`] that a worker adds to while other threads read them. Whoever reads a count also sees everything that the
/// worker counted before it.
#[derive(Debug, Default)]
pub(super) struct RouteCounters {
    by_route: [AtomicU64; Route::ALL.len()],
    bad: AtomicU64,
}

impl RouteCounters {
    pub(super) fn count(&self, route: Route, records: usize) {
        self.by_route[route as usize].fetch_add(records as u64, Release);
    }

    pub(super) fn bad(&self, records: usize) {
        self.bad.fetch_add(records as u64, Release);
    }

    pub(super) fn read(&self) -> Counts {
        let mut counts = Counts { bad: self.bad.load(Acquire), ..Counts::default() };
        for (route, records) in Route::ALL.iter().zip(&self.by_route) {
            counts.count(*route, records.load(Acquire));
        }
        counts
    }
}
