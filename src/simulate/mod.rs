//! Simulates what a policy would do: bursting in simulated time, without network and computation, with the
//! engine's own policies.
//!
//! These parts are real: the [`policy`](crate::policy) and its queue, the worker's true rate, the schedule,
//! and the bridge's request machine with all that it decides. These parts are modelled: the worker (a time per
//! record) and the remote side. `docs/simulate.md` describes the model and what it leaves out.
//!
//! Time advances in ticks of one millisecond ([`TICK`]). Each tick has one container per worker, however many
//! records it has; nothing is done per record. The bridge's events happen at their own times.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use floodway::policy::{Deadline, Policy};
//! use floodway::schedule::{Schedule, Shape};
//! use floodway::internal::simulate::{Lambda, Model, Service, Stage, Stream};
//!
//! let second = 1_000_000_000;
//! let service = Service::constant(Duration::from_micros(10));
//! let schedule = Arc::new(Schedule::new(Shape::Spike, 50e3, 400e3, 10 * second)?);
//! let stream = Stream::new(schedule, 300_000, 1, second / 10, service.rate()).unwrap();
//! let model = Model {
//!     stream,
//!     workers: 1,
//!     stages: vec![Stage::new(service, Duration::from_micros(10))],
//!     deadline: Duration::from_millis(200),
//!     max_backlog: 500_000,
//!     bridge: floodway::bridge::Settings::default(),
//!     lambda: Lambda::default(),
//!     seed: 1,
//! };
//! let outcome = model.run(true, || Box::new(Deadline::new(second / 5)) as Box<dyn Policy>);
//! assert!(outcome.latency.quantile_ms(0.99) < 200.0);
//! assert!(outcome.local_in_time as f64 <= model.optimum().local);
//! # Ok::<(), floodway::schedule::ScheduleError>(())
//! ```

#[cfg(test)]
mod agreement;
mod bridge;
#[cfg(test)]
mod exploration;
#[cfg(test)]
mod faulty;
mod item;
mod lambda;
mod noise;
mod optimum;
mod outcome;
mod run;
mod stream;
mod worker;

pub use lambda::{Availability, Conditions, Lambda, Ramp};
pub use noise::{Spread, SpreadError};
pub use optimum::{Optimum, StageOptimum, least_offloaded};
pub use outcome::{Outcome, StageOutcome};
pub use run::{Model, Service, Stage, TICK, events_per_second, nanos_per_event};
pub use stream::Stream;
