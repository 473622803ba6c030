//! Probes, and the breaker that they close.

use std::sync::Arc;
use std::time::Duration;

use super::{Fate, send, settings, square};
use crate::common::poll;
use crate::fault_server::{Fault, Server};
use floodway::bridge::{Bridge, Failure, RemoteTask, Settings, breaker};
use floodway::task::Task;

/// Waits until the remote side takes something, or takes nothing.
fn until_there_is_room(remote: &RemoteTask<impl Task>, room: bool) {
    poll("room, or none", || ((remote.offer().room > 0) == room).then_some(()));
}

#[test]
fn the_breaker_opens_on_failures_and_a_probe_closes_it() {
    let mut faults = vec![Fault::Reset; 7];
    faults.push(Fault::None);
    let server = Server::square(faults);
    let breaker = breaker::Settings::default();
    let bridge = Bridge::start(Settings { attempts: 1, breaker, ..settings(&server) }).unwrap();
    let remote = bridge.remote_task(Arc::new(square()));
    for _ in 0..5 {
        let fates = send(&bridge, 1, 4);
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Returned(_))), "{fates:?}");
    }
    until_there_is_room(&remote, false);
    let fates = send(&bridge, 2, 4);
    assert!(fates.iter().all(|fate| *fate == Fate::Returned(Failure::BreakerOpen)), "{fates:?}");
    // Two probes are reset, the third is answered.
    until_there_is_room(&remote, true);
    let fates = send(&bridge, 2, 4);
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
    let counters = bridge.counters();
    assert_eq!((counters.breaker_opened, counters.probes), (1, 3));
    assert_eq!(counters.attempts, 5 + counters.requests - 5, "none while it was open");
}

#[test]
fn records_are_sent_once_a_probe_has_succeeded() {
    let server = Server::square(vec![Fault::None]);
    let bridge = Bridge::start(Settings { probes_at_start: true, ..settings(&server) }).unwrap();
    let remote = bridge.remote_task(Arc::new(square()));
    bridge.wait_for_probes(Duration::from_secs(30));
    assert!(remote.offer().room > 0 && remote.offer().median > Duration::ZERO);
    let fates = send(&bridge, 3, 10);
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
}

#[test]
fn a_wrong_endpoint_is_found_by_probes_before_records_are_sent() {
    for fault in [Fault::Redirect, Fault::Status(404), Fault::OtherTask, Fault::Truncated] {
        let server = Server::square(vec![fault]);
        let bridge =
            Bridge::start(Settings { probes_at_start: true, ..settings(&server) }).unwrap();
        let remote = bridge.remote_task(Arc::new(square()));
        assert_eq!(remote.offer().room, 0, "nothing is sent before it is known");
        bridge.wait_for_probes(Duration::from_secs(30));
        let counters = bridge.counters();
        assert!(counters.probes > 0 && counters.attempts == 0, "{fault:?}: {counters:?}");
        assert_eq!((remote.offer().room, counters.breaker_opened), (0, 1), "{fault:?}");
    }
}
