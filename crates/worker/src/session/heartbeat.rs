//! The worker's side of its lease: when to say that it lives, and until when it may act.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Boottime;

/// Heartbeats in one lease.
const BEATS: u32 = 3;

/// Heartbeats of one connection. The lease outlives the connection; its deadline counts from when
/// the last answered heartbeat was *sent*, which is never later than the master counts from.
#[derive(Debug)]
pub(super) struct Heartbeats {
    ttl: Duration,
    deadline: Boottime,
    next_at: Boottime,
    sequence: u64,
    unanswered: VecDeque<(u64, Boottime)>,
}

impl Heartbeats {
    /// The lease that began with a hello sent at `sent`, which has been answered.
    pub(super) fn begin(ttl: Duration, sent: Boottime) -> Heartbeats {
        Heartbeats {
            ttl,
            deadline: sent + ttl,
            next_at: sent + ttl / BEATS,
            sequence: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// Until when attempts may run.
    pub(super) fn deadline(&self) -> Boottime {
        self.deadline
    }

    pub(super) fn next_at(&self) -> Boottime {
        self.next_at
    }

    /// The number of the next heartbeat, which is sent now.
    pub(super) fn send(&mut self, now: Boottime) -> u64 {
        self.sequence += 1;
        self.unanswered.push_back((self.sequence, now));
        self.next_at = now + self.ttl / BEATS;
        self.sequence
    }

    /// A heartbeat was answered; returns the new deadline. Those before it will not be.
    pub(super) fn answered(&mut self, sequence: u64) -> Option<Boottime> {
        let mut sent = None;
        while let Some((number, at)) = self.unanswered.front().copied()
            && number <= sequence
        {
            sent = Some(at);
            self.unanswered.pop_front();
        }
        self.deadline = self.deadline.max(sent? + self.ttl);
        Some(self.deadline)
    }

    /// From when on the connection counts as dead: half a lease without an answer leaves time to
    /// save the lease over a new one.
    pub(super) fn dead_at(&self) -> Boottime {
        let patience = self
            .unanswered
            .front()
            .map(|(_, sent)| *sent + self.ttl / 2);
        patience.map_or(self.deadline, |at| at.min(self.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Boottime {
        Boottime::from_boot(Duration::from_secs(secs))
    }

    #[test]
    fn the_lease_counts_from_when_the_answered_heartbeat_was_sent() {
        let mut beats = Heartbeats::begin(Duration::from_secs(15), at(100));
        assert_eq!((beats.deadline(), beats.next_at()), (at(115), at(105)));
        let first = beats.send(at(105));
        let second = beats.send(at(110));
        assert_eq!(beats.deadline(), at(115), "nothing was answered yet");
        assert_eq!(beats.answered(first), Some(at(120)));
        assert_eq!(beats.answered(first), None, "answered already");
        assert_eq!(beats.answered(second), Some(at(125)));
    }

    #[test]
    fn a_connection_without_answers_is_given_up_while_the_lease_can_be_saved() {
        let mut beats = Heartbeats::begin(Duration::from_secs(15), at(100));
        assert_eq!(beats.dead_at(), at(115));
        beats.send(at(105));
        assert_eq!(
            beats.dead_at(),
            Boottime::from_boot(Duration::from_millis(112_500))
        );
    }
}
