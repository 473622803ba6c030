//! A bridge whose attempts a model answers, in the caller's runtime and its time, for tests.

use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::attempt::{Attempt, Event, Transport};
use super::core::Ended;
use super::http_client::HttpClient;
use super::shared::Shared;
use super::validated_response::ValidatedResponse;
use super::{Bridge, Budget, RemoteTask, Settings};
use crate::batch::Nanos;
use crate::task::Function;

/// A task whose results are its records.
pub(crate) type Same = Function<fn(&u32) -> Result<u32, crate::task::Code>, u32, u32>;

/// What happens to an attempt.
pub(crate) struct Course {
    /// When it is on the wire; [`Nanos::MAX`] if it never is.
    pub on_wire: Nanos,
    /// When it ends; [`Nanos::MAX`] if it never does.
    pub at: Nanos,
    pub ended: Ended,
}

/// Returns what happens to an attempt with so many records that is sent at this time.
type Remote = dyn FnMut(Nanos, usize) -> Course + Send;

struct Modelled(Box<Remote>);

/// Starts a bridge in the runtime of the caller, and a task whose attempts `remote` answers. `random` is the
/// source of the jitter of retries.
pub(crate) fn start(
    settings: Settings,
    remote: impl FnMut(Nanos, usize) -> Course + Send + 'static,
    random: StdRng,
) -> (Bridge, RemoteTask<Same>) {
    let http_client = HttpClient::new(&settings).unwrap();
    let budget = Budget::new(settings.cost_limits);
    let shared = Arc::new(Shared::new(settings, budget, Arc::new(http_client)));
    let bridge = Bridge::new(shared, Handle::current(), oneshot::channel().0);
    let same: Same = crate::task::function("same", |record| Ok(*record));
    let transport = Modelled(Box::new(remote));
    let remote_task = bridge.remote_task_by(transport, random, Arc::new(same));
    (bridge, remote_task)
}

impl Transport<Same> for Modelled {
    fn send(&mut self, attempt: Attempt<Same>) -> impl Future<Output = ()> + Send + 'static {
        let records = attempt.body.as_ref().map_or(0, |body| body.records);
        let course = (self.0)(attempt.shared.now(), records);
        async move {
            let Course { on_wire, at, ended } = course;
            attempt.until(on_wire).await;
            attempt.report(Event::OnWire(attempt.id));
            attempt.until(at).await;
            let response = ended.result.is_ok().then(|| {
                let list = |value: String| vec![value; records].join(",");
                let results = list("7".to_owned());
                let ids: Vec<_> = (0..records).collect();
                let answer = format!(
                    r#"{{"v":1,"task":"same","results":[{results}],"ids":{ids:?},"errors":[]}}"#
                );
                let response =
                    ValidatedResponse::read(&*attempt.task, answer.as_bytes(), records, None);
                Box::new(response.unwrap())
            });
            attempt.report(Event::Ended(attempt.id, ended, response));
        }
    }
}

impl Attempt<Same> {
    async fn until(&self, time: Nanos) {
        match time {
            Nanos::MAX => std::future::pending().await,
            _ => sleep_until(self.shared.instant(time)).await,
        }
    }
}
