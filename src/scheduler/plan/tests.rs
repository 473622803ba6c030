use super::shared::COUNTED;
use super::{Known, Member, Plan};
use crate::batch::{Nanos, Span};
use crate::policy::Entry;

const MS: Nanos = 1_000_000;
const SLACK: Nanos = 200 * MS;
const NOW: Nanos = SLACK;

/// A stage whose record takes a worker and a function `us`.
fn known(us: f64) -> Known {
    Known {
        now: NOW,
        slack: SLACK,
        rate: Some(1e6 / us),
        share: 1.0,
        latency: 50 * MS,
        batch: 1_000,
        usd: (us + 7.0) * 1e-11,
        can_send: true,
    }
}

/// A container that is due in `ms`.
fn due_in(ms: u64, records: usize) -> Entry {
    let (due, scheduled) = (NOW + ms * MS, Span::at(ms * MS));
    Entry { seq: 0, range: 0..records, arrival: 0, scheduled, due, returned: false }
}

/// Two stages with what waits at them.
fn stages(us: [f64; 2], waiting: [&[Entry]; 2]) -> [Member; 2] {
    stages_of(us.map(known), waiting)
}

fn stages_of(known: [Known; 2], waiting: [&[Entry]; 2]) -> [Member; 2] {
    let plan = Plan::new();
    let mut members = [plan.member(), plan.member()];
    for _ in 0..2 {
        for (member, (known, waiting)) in members.iter_mut().zip(known.iter().zip(waiting)) {
            let records = waiting.iter().map(Entry::records).sum();
            member.publish(known, (records, waiting.iter().rev()), [].into_iter());
        }
    }
    members
}

#[test]
fn time_is_reserved_for_the_stage_that_saves_the_least_for_a_dollar() {
    let waiting = [due_in(100, 1_000)];
    let [first, second] = stages([40.0, 5.0], [&waiting, &[due_in(100, 2_000)]]);
    let ms = |member: &Member, until: u64| member.reserved().until(NOW + until * MS) / 1e6;
    // 5 us for each of 2,000 records that wait there, and of 1,000 that the first stage will hand on.
    assert!((14.5..=15.5).contains(&ms(&first, 105)), "{}", ms(&first, 105));
    assert!(ms(&first, 80) < 1.0);
    assert_eq!(ms(&second, 200), 0.0);
    let [first, second] = stages([5.0, 40.0], [&waiting, &[due_in(100, 2_000)]]);
    assert_eq!(ms(&first, 200), 0.0);
    assert!((4.5..=5.5).contains(&ms(&second, 120)), "only the first stage's own 5 ms");
}

#[test]
fn what_is_needed_later_and_does_not_fit_is_needed_earlier() {
    // 90 ms of work are due in 150 ms, and 80 ms more in 190 ms.
    let dear = [due_in(150, 18_000), due_in(190, 16_000)];
    let [first, _] = stages([40.0, 5.0], [&[], &dear]);
    let reserved = first.reserved().until(NOW + 145 * MS) / 1e6;
    assert!((115.0..=135.0).contains(&reserved), "{reserved}");
}

#[test]
fn a_stage_leaves_time_for_a_request_where_a_stage_behind_it_will_send() {
    let [first, second] = stages([10.0, 30.0], [&[due_in(190, 100)], &[due_in(190, 1_000)]]);
    assert!(first.after() < 50 * MS, "{}", first.after());
    assert_eq!(second.after(), 0);
    // 300 ms of work are due in 190 ms.
    let [first, second] = stages([10.0, 30.0], [&[due_in(190, 100)], &[due_in(190, 10_000)]]);
    assert!((54 * MS..120 * MS).contains(&first.after()), "{}", first.after());
    assert_eq!((second.after(), first.least_after()), (0, first.least_after()));
    assert!(first.least_after() < 50 * MS, "what was planned before is not late");
    // A stage that never sends needs no time for a request.
    let local = Known { can_send: false, usd: 0.0, ..known(30.0) };
    let waiting: [&[Entry]; 2] = [&[due_in(190, 100)], &[due_in(190, 10_000)]];
    let [first, _] = stages_of([known(10.0), local], waiting);
    assert!(first.after() < 50 * MS, "{}", first.after());
}

#[test]
fn the_stage_has_its_turn_whose_record_has_to_be_done_first() {
    let [first, second] = stages([40.0, 5.0], [&[], &[due_in(100, 2_000)]]);
    let next = |first_due: u64, second_due: u64| {
        first.set_next(NOW, Some(&due_in(first_due, 1)));
        second.set_next(NOW, Some(&due_in(second_due, 1)));
        [first.has_turn(), second.has_turn()]
    };
    let after = first.after() / MS;
    assert_eq!(next(60 + after, 80), [true, false]);
    assert_eq!(next(80 + after, 60), [false, true]);
    assert_eq!(next(60 + after, 60), [true, true]);
    // The second stage needs all of the time until then, so the first one will have to send its record.
    let [first, second] = stages([40.0, 5.0], [&[], &[due_in(100, 40_000)]]);
    first.set_next(NOW, Some(&due_in(60 + first.after() / MS, 1)));
    second.set_next(NOW, Some(&due_in(90, 1)));
    assert_eq!([first.has_turn(), second.has_turn()], [false, true]);
}

#[test]
fn results_are_counted() {
    let [mut first, second] = stages([40.0, 5.0], [&[], &[]]);
    first.done(1_000);
    second.received(3_000);
    let later = Known { now: NOW + COUNTED, ..known(40.0) };
    first.publish(&later, (1_000, [due_in(250, 1_000)].iter()), [].into_iter());
    let ms = first.reserved().until(NOW + 255 * MS) / 1e6;
    assert!((14.5..=15.5).contains(&ms), "{ms}: 3,000 of 5 us");
}
