use super::*;

const MS: Nanos = 1_000_000;

fn well(took: u64, cold: bool) -> AttemptOutcome<'static> {
    AttemptOutcome::Succeeded { took: Duration::from_millis(took), cold }
}

/// The cold starts of a burst's first requests count neither as congestion nor as failures.
#[test]
fn cold_starts_of_a_burst_neither_open_the_breaker_nor_lower_the_limit() {
    let mut admission = Admission::new(Settings::default());
    let probe = admission.start_attempt(0);
    admission.finish_attempt(
        170 * MS,
        probe,
        AttemptOutcome::Probe { took: Duration::from_millis(170), cold: true },
    );
    let probe = admission.start_attempt(170 * MS);
    admission.finish_attempt(
        190 * MS,
        probe,
        AttemptOutcome::Probe { took: Duration::from_millis(20), cold: false },
    );
    assert_eq!(admission.timing().median(), Duration::from_millis(20));
    // 400 requests per second of 20 ms are 8 in flight, plus the reserve.
    admission.observe_demand(300 * MS, 0);
    admission.observe_demand(400 * MS, 40_000);
    assert!(admission.limiter.limit() >= 10);
    let sent: Vec<InFlightAttempt> = (0..8).map(|_| admission.start_attempt(400 * MS)).collect();
    for sent in sent {
        assert!(
            admission.failure_timeout(sent) >= Duration::from_millis(300),
            "{:?}",
            admission.failure_timeout(sent)
        );
        admission.finish_attempt(575 * MS, sent, well(175, true));
    }
    assert_eq!(admission.timing().median(), Duration::from_millis(20), "cold starts are left out");
    assert_eq!((admission.health().state(), admission.limiter.limit()), (State::Closed, 11));
    let warm = admission.start_attempt(600 * MS);
    assert_eq!(admission.failure_timeout(warm), Duration::from_millis(250));
}

#[test]
fn environments_are_started_ahead_of_a_burst() {
    let mut admission = Admission::new(Settings::default());
    // The first request may have met a cold environment, whatever the function reports.
    for (at, took) in [(0, 170), (180, 20)] {
        let probe = admission.start_attempt(at * MS);
        let took = Duration::from_millis(took);
        admission.finish_attempt(
            (at + 20) * MS,
            probe,
            AttemptOutcome::Probe { took, cold: false },
        );
    }
    assert_eq!(
        (admission.timing().known_cold(), admission.warm_room()),
        (Duration::from_millis(170), 1_000)
    );
    admission.health_mut().mark_proven();
    // Six environments are needed, and one is warm.
    assert_eq!(admission.warm_ups_needed(230 * MS, 100_000.0), 6);
    let cold: Vec<InFlightAttempt> = (0..6).map(|_| admission.start_attempt(230 * MS)).collect();
    assert_eq!(admission.warm_ups_needed(240 * MS, 100_000.0), 0);
    assert!(
        !admission.may_send(true) && admission.may_send(false),
        "a request would meet a cold one"
    );
    assert_eq!(admission.expected_latency(), admission.timing().known_cold());
    for sent in cold {
        admission.finish_attempt(400 * MS, sent, well(170, true));
    }
    assert!(admission.may_send(true));
    assert_eq!(
        (admission.expected_latency(), admission.warm_room()),
        (Duration::from_millis(20), 6_000)
    );
}

/// Returns the admission after many attempts that all ended with `failure`.
fn after_failures(failure: &Failure) -> Admission {
    let mut admission = Admission::new(Settings::default());
    admission.health_mut().mark_proven();
    for round in 1..20 {
        let sent = admission.start_attempt(round * 10 * MS);
        let outcome = AttemptOutcome::Failed(failure);
        admission.finish_attempt((round * 10 + 5) * MS, sent, outcome);
    }
    admission
}

#[test]
fn throttling_at_the_lowest_limit_opens_the_breaker() {
    let admission = after_failures(&Failure::Throttled(crate::aws::Throttle::Unknown));
    assert!(matches!(admission.health().state(), State::Open(_)));
    assert_eq!(admission.queue_limit(), 0);
}

#[test]
fn a_limit_of_this_machine_lowers_the_limit_and_leaves_the_breaker_closed() {
    for failure in [Failure::NoRoom("EMFILE".to_owned()), Failure::NoMemory(512)] {
        let admission = after_failures(&failure);
        assert_eq!((admission.health().state(), admission.limit()), (State::Closed, 1));
        assert!(admission.may_send(false), "{failure}");
    }
}

/// The user is told what to mend, although a probe for another stage failed in another way since.
#[test]
fn a_refusal_is_kept_until_a_request_is_answered_well() {
    let mut admission = Admission::new(Settings::default());
    let fail = |admission: &mut Admission, failure: &Failure| {
        let probe = admission.start_attempt(0);
        admission.finish_attempt(MS, probe, AttemptOutcome::ProbeFailed(failure));
    };
    let other_version = Failure::Version { function: "a/1".to_owned(), needs: "a/2".to_owned() };
    fail(&mut admission, &Failure::Closed);
    assert_eq!(admission.refusal(), None);
    fail(&mut admission, &other_version);
    fail(&mut admission, &Failure::Closed);
    assert_eq!(admission.refusal(), Some(&other_version));
    let probe = admission.start_attempt(MS);
    admission.finish_attempt(2 * MS, probe, well(1, false));
    assert_eq!(admission.refusal(), None);
}
