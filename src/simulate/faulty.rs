//! A remote side that misbehaves in every way, for tests.

use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;

use super::lambda::{Call, Invocation, Remote};
use crate::aws::Throttle;
use crate::batch::Nanos;
use crate::bridge::Failure;

pub(super) const MS: Nanos = 1_000_000;

/// Time from a request to its answer, if nothing is wrong.
const ROUND_TRIP: Nanos = 5 * MS;

/// What goes wrong with an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Nothing,
    Slow,
    Throttled {
        retry_after: Option<u8>,
    },
    Forbidden,
    ServiceError,
    Unreachable,
    /// The function ran, and the connection broke.
    Reset,
    Hangs,
    /// It waits for a connection and never gets one.
    NeverOnWire,
    NotValid,
    FunctionError,
    /// The answer is too long if the request has more records than this.
    TooLong {
        records: u8,
    },
    TooLarge {
        records: u8,
    },
    NoRoom,
    NoMemory,
}

pub(super) fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Nothing),
        1 => Just(Fault::Slow),
        1 => proptest::option::of(0..20_u8).prop_map(|retry_after| Fault::Throttled { retry_after }),
        1 => Just(Fault::Forbidden),
        1 => Just(Fault::ServiceError),
        1 => Just(Fault::Unreachable),
        1 => Just(Fault::Reset),
        1 => Just(Fault::Hangs),
        1 => Just(Fault::NeverOnWire),
        1 => Just(Fault::NotValid),
        1 => Just(Fault::FunctionError),
        1 => (0..20_u8).prop_map(|records| Fault::TooLong { records }),
        1 => (0..20_u8).prop_map(|records| Fault::TooLarge { records }),
        1 => Just(Fault::NoRoom),
        1 => Just(Fault::NoMemory),
    ]
}

/// A remote side with these faults, one attempt after the other, over and over, until a time.
pub(super) struct Faulty {
    pub faults: Vec<Fault>,
    pub until: Nanos,
    pub next: usize,
}

impl Remote for Faulty {
    fn invoke(&mut self, call: Call, random: &mut StdRng) -> Invocation {
        let Call { now, records, timeout, .. } = call;
        let fault = if now < self.until { self.faults[self.next] } else { Fault::Nothing };
        self.next = (self.next + 1) % self.faults.len();
        let quick = now + random.random_range(1..=ROUND_TRIP);
        let ran = Some((quick - now) as f64 / 1e6);
        let fails = |failure| Invocation::new(now, quick, None, Err(failure));
        let ran_and_failed = |failure| Invocation::new(now, quick, ran, Err(failure));
        let well = Invocation::new(now, quick, ran, Ok(random.random()));
        let mut invocation = match fault {
            Fault::Nothing => well,
            Fault::Slow => Invocation { at: quick + 5 * ROUND_TRIP, ..well },
            Fault::Throttled { retry_after } => Invocation {
                retry_after: retry_after.map(|ms| Duration::from_millis(u64::from(ms))),
                ..fails(Failure::Throttled(Throttle::Unknown))
            },
            Fault::Forbidden => fails(Failure::Rejected(403)),
            Fault::ServiceError => fails(Failure::Service(503)),
            Fault::Unreachable => fails(Failure::Connection("refused".to_owned())),
            Fault::Reset => ran_and_failed(Failure::Connection("reset".to_owned())),
            Fault::Hangs => Invocation {
                at: Nanos::MAX,
                billed_ms: Some(timeout.as_secs_f64() * 1e3),
                ..fails(Failure::TimedOut)
            },
            Fault::NeverOnWire => {
                Invocation { on_wire: Nanos::MAX, at: Nanos::MAX, ..fails(Failure::TimedOut) }
            }
            Fault::NotValid => ran_and_failed(Failure::Answer("half of it".to_owned())),
            Fault::FunctionError => ran_and_failed(Failure::Function("it raises".to_owned())),
            Fault::TooLong { records: most } if records > usize::from(most) => {
                ran_and_failed(Failure::AnswerTooLong)
            }
            Fault::TooLarge { records: most } if records > usize::from(most) => {
                fails(Failure::TooLarge)
            }
            Fault::TooLong { .. } | Fault::TooLarge { .. } => well,
            Fault::NoRoom => fails(Failure::NoRoom("EMFILE".to_owned())),
            Fault::NoMemory => ran_and_failed(Failure::NoMemory(512)),
        };
        invocation.rank = random.random();
        if invocation.on_wire == now && random.random() {
            invocation.on_wire = (now + random.random_range(0..=MS)).min(invocation.at);
        }
        invocation
    }

    fn settle(&mut self) {}
}
