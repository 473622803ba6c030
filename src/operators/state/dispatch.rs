//! Sends the records that the policy names to the remote side or to peers.

use std::sync::Arc;

use timely::Container;
use timely::progress::Timestamp;

use super::{BurstState, Origin};
use crate::bridge::{Offer, RemoteTask, ReplySender, Settings, WorkItem};
use crate::operators::Route;
use crate::operators::peers::PeerQueue;
use crate::policy::{Destination, Taken};
use crate::scheduler::{HandedOver, Handover};
use crate::task::Task;

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    /// Sends the records that the policy names.
    pub(in crate::operators) fn plan(&mut self, offer: Option<Offer>) {
        let (now, peers) = (self.clock.now(), self.peer_queue.peer_capacity());
        let mut to = Outlets {
            remote: self.remote.as_ref(),
            peer_queue: &self.peer_queue,
            reply_sender: &self.reply_sender,
        };
        let sent = self.scheduler.plan(now, offer.unwrap_or_default(), peers, &mut to);
        if sent > 0 {
            self.observer.sent(self.scheduler.weigh(sent), self.clock.now());
        }
    }
}

/// The bridge and the peers.
struct Outlets<'a, K: Task> {
    remote: Option<&'a RemoteTask<K>>,
    peer_queue: &'a PeerQueue<K>,
    reply_sender: &'a ReplySender<K::Out>,
}

impl<T, K: Task> Handover<Origin<T, K::In>> for Outlets<'_, K> {
    fn settings(&self) -> Option<&Settings> {
        self.remote.map(RemoteTask::settings)
    }

    fn expect(&mut self, records_per_second: f64) {
        if let Some(remote) = self.remote {
            remote.expect(records_per_second);
        }
    }

    fn hand_over(&mut self, id: u64, taken: &Taken<Origin<T, K::In>>, urgent: bool) -> HandedOver {
        let (range, batch) = (taken.entry.range.clone(), Arc::clone(&taken.payload.batch));
        let item = WorkItem::new(id, batch, range, self.reply_sender.clone());
        let pending = Arc::clone(item.pending());
        let (route, refused) = if taken.to == Some(Destination::Peer) {
            (Route::Peer, self.peer_queue.offer(item).map_or(0, WorkItem::take_back))
        } else {
            let item = item.warm_only(taken.to == Some(Destination::Warm)).urgent(urgent);
            let is_refused = self.remote.is_none_or(|remote| remote.send(item).is_err());
            (Route::Remote, if is_refused { taken.entry.records() } else { 0 })
        };
        HandedOver { pending, route, refused }
    }
}
