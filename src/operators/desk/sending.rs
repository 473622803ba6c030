//! What leaves a desk: the policy is asked, and what it names goes to the remote side or a peer.

use std::sync::Arc;
use std::time::Instant;

use timely::Container;
use timely::progress::Timestamp;

use super::Desk;
use crate::batch::Nanos;
use crate::bridge::{Lane, Part};
use crate::operators::Path;
use crate::policy::{Rates, Taken, Times, To};
use crate::task::Task;

/// How often the policy is asked what it expects to send.
const LOOK_AHEAD: Nanos = 5_000_000;

impl<T: Timestamp, K: Task> Desk<T, K>
where
    K::Out: Container,
{
    /// Sends away what the policy says. While nobody takes anything it is not even asked.
    pub(in crate::operators) fn plan(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(rates) = self.rates() else { return };
        let (now, queue) = (self.clock.now(), self.queue.entries());
        self.policy.plan(now, &queue, rates, &mut self.takes);
        if let Some(lane) = self.lane.as_ref().filter(|lane| lane.settings().warm_up.is_some())
            && now.saturating_sub(self.looked_ahead) >= LOOK_AHEAD
        {
            self.looked_ahead = now;
            let expected = self.policy.expects(now, &queue, rates);
            if expected > 0.0 {
                lane.expect(expected);
            }
        }
        if !self.takes.is_empty() {
            self.send();
        }
    }

    /// What the policy is told; nothing if nobody takes anything.
    fn rates(&self) -> Option<Rates> {
        let room = self.lane.as_ref().map_or(0, Lane::room);
        let peers = self.help.wanted();
        if room == 0 && peers == 0 {
            return None;
        }
        let rates = Rates {
            local: self.true_rate.get(),
            share: self.true_rate.share(),
            in_flight: self.away.records(),
            peers,
            room,
            waiting: self.queue.records(),
            slack: self.slack,
            warm_room: 0,
            batch: 1,
            remote: Times::default(),
        };
        let Some(lane) = &self.lane else { return Some(rates) };
        Some(Rates {
            warm_room: lane.warm_room(),
            batch: lane.most_records(),
            remote: Times {
                typical: lane.typical().as_nanos() as Nanos,
                longest: lane.longest().as_nanos() as Nanos,
                cold: lane.cold().as_nanos() as Nanos,
                failing: lane.failing(),
            },
            ..rates
        })
    }

    /// Sends away what was taken; the oldest first.
    fn send(&mut self) {
        let taken = &mut self.taken;
        self.queue.take_all(&mut self.takes, |take| taken.push(take));
        let since = Instant::now();
        let mut taken = std::mem::take(&mut self.taken);
        let mut refused = Vec::new();
        let mut sent = 0;
        let at_once = self.policy.keeps_due_times();
        // They were taken from the last to the first.
        let mut taking = taken.drain(..).rev().peekable();
        while let Some(Taken { entry, payload: held, to }) = taking.next() {
            let id = self.away.next_id();
            let part =
                Part::new(id, Arc::clone(&held.batch), entry.range.clone(), self.port.clone());
            let open = Arc::clone(part.open());
            let (path, stays) = if to == Some(To::Peer) {
                (Path::Peer, self.help.give(part).map_or(0, Part::take_back))
            } else {
                let is_last = taking.peek().is_none();
                let part = part.warm_only(to == Some(To::Warm)).at_once(at_once && is_last);
                let lane = self.lane.as_ref();
                let refused = lane.is_none_or(|lane| lane.send(part).is_err());
                (Path::Remote, if refused { entry.records() } else { 0 })
            };
            let left = entry.records() - stays;
            sent += if path == Path::Remote { left } else { 0 };
            if stays > 0 {
                refused.push((entry.part(entry.range.end - stays..entry.range.end), held.clone()));
            }
            if left > 0 {
                let range = entry.range.start..entry.range.start + left;
                let entry = entry.part(range);
                self.away.went(id, entry, held, open, since, path);
            }
        }
        drop(taking);
        self.taken = taken;
        if sent > 0 {
            self.observer.sent(sent, self.clock.now());
        }
        for (entry, held) in refused.into_iter().rev() {
            self.queue.put_back(entry, held);
        }
    }
}
