//! Converts what the bridge tells workers of the remote side to what a policy knows of it. The bridge and the
//! policies do not know each other; a run and a simulation convert in the same way.

use std::time::Duration;

use crate::batch::Nanos;
use crate::bridge::Offer;
use crate::policy::{Rates, RemoteLatency};

/// Returns the values of `offer` for a policy. The values of the worker are left at their defaults.
pub(crate) fn remote_rates(offer: Offer) -> Rates {
    let nanos = |time: Duration| time.as_nanos() as Nanos;
    Rates {
        room: offer.room,
        warm_room: offer.warm_room,
        batch: offer.max_records.max(1),
        remote: RemoteLatency {
            median: nanos(offer.median),
            p99: nanos(offer.p99),
            cold_start: nanos(offer.cold),
            failure_rate: offer.failure_rate,
        },
        ..Rates::default()
    }
}
