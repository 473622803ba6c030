//! Asks the policy for a plan, and sends the planned records to the remote side or to peers.

use std::sync::Arc;
use std::time::Instant;

use timely::Container;
use timely::progress::Timestamp;

use super::BurstState;
use crate::bridge::{Offer, WorkItem};
use crate::operators::Route;
use crate::policy::{Destination, FORECAST_INTERVAL, Rates, Taken};
use crate::remote_rates::remote_rates;
use crate::task::Task;

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    /// Sends the records that the policy names. The policy is not asked while nobody has room.
    pub(in crate::operators) fn plan(&mut self, offer: Option<Offer>) {
        if self.queue.is_empty() {
            return;
        }
        let Some(rates) = self.rates(offer.unwrap_or_default()) else { return };
        let (now, queue) = (self.clock.now(), self.queue.entries());
        self.policy.plan(now, &queue, rates, &mut self.takes);
        if let Some(remote) =
            self.remote.as_ref().filter(|remote| remote.settings().warm_up.is_some())
            && now.saturating_sub(self.forecast_at) >= FORECAST_INTERVAL
        {
            self.forecast_at = now;
            let expected = self.policy.expected_rate(now, &queue, rates);
            if expected > 0.0 {
                remote.expect(expected);
            }
        }
        if !self.takes.is_empty() {
            self.send();
        }
    }

    /// Measured values for the policy. None if neither the bridge nor a peer has room.
    fn rates(&self, offer: Offer) -> Option<Rates> {
        let peers = self.peer_queue.peer_capacity();
        if offer.room == 0 && peers == 0 {
            return None;
        }
        Some(Rates {
            local: self.true_rate.get(),
            share: self.true_rate.useful_share(),
            in_flight: self.in_flight.records(),
            peers,
            waiting: self.queue.records(),
            slack: self.slack,
            ..remote_rates(offer)
        })
    }

    /// Sends the taken records, the oldest first.
    fn send(&mut self) {
        let taken = &mut self.taken;
        self.queue.take_all(&mut self.takes, |take| taken.push(take));
        let sent_at = Instant::now();
        let mut taken = std::mem::take(&mut self.taken);
        let mut refused = Vec::new();
        let mut sent = 0;
        let urgent = self.policy.plans_by_due_time();
        // The queue hands them over from the last to the first.
        let mut taking = taken.drain(..).rev().peekable();
        while let Some(Taken { entry, payload: origin, to }) = taking.next() {
            let id = self.in_flight.next_id();
            let item = WorkItem::new(
                id,
                Arc::clone(&origin.batch),
                entry.range.clone(),
                self.reply_sender.clone(),
            );
            let pending = Arc::clone(item.pending());
            let (route, stays) = if to == Some(Destination::Peer) {
                (Route::Peer, self.peer_queue.offer(item).map_or(0, WorkItem::take_back))
            } else {
                let is_last = taking.peek().is_none();
                let item = item.warm_only(to == Some(Destination::Warm)).urgent(urgent && is_last);
                let remote = self.remote.as_ref();
                let refused = remote.is_none_or(|remote| remote.send(item).is_err());
                (Route::Remote, if refused { entry.records() } else { 0 })
            };
            let left = entry.records() - stays;
            sent += if route == Route::Remote { left } else { 0 };
            if stays > 0 {
                refused
                    .push((entry.slice(entry.range.end - stays..entry.range.end), origin.clone()));
            }
            if left > 0 {
                let range = entry.range.start..entry.range.start + left;
                let entry = entry.slice(range);
                self.in_flight.insert(id, entry, origin, pending, sent_at, route);
            }
        }
        drop(taking);
        self.taken = taken;
        if sent > 0 {
            self.observer.sent(sent, self.clock.now());
        }
        for (entry, origin) in refused.into_iter().rev() {
            self.queue.put_back(entry, origin);
        }
    }
}
