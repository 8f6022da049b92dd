//! Every attempt that the master may ask about: those that wait, run, or whose end it has not
//! acknowledged. All tables are ordered, so that the same inputs give the same frames.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use capataz_api::proto;

use super::wire;
use crate::clock::Boottime;
use crate::executor::AttemptId;

/// A token in an order.
type TokenKey = (u64, Option<u32>, u32);

fn key(token: proto::Token) -> TokenKey {
    (token.task, token.index, token.attempt)
}

/// Where an attempt is in its life here.
#[derive(Debug)]
enum State {
    /// Its spec is not even read yet.
    Waiting(Bytes),
    /// The executor has it.
    Running { since: Boottime, told: bool },
    /// Its end is kept until the master has it for good.
    Done { ended: proto::Ended, sent: bool },
}

#[derive(Debug)]
struct Entry {
    token: proto::Token,
    state: State,
}

/// What an order to stop an attempt comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    /// The executor has to stop it.
    Running(AttemptId),
    /// It had not started and has ended herewith, or it has ended before.
    Done(AttemptId),
    /// Nothing is known of it.
    Unknown,
}

/// The attempts of one session.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    last: u64,
    entries: BTreeMap<AttemptId, Entry>,
    ids: BTreeMap<TokenKey, AttemptId>,
    waiting: VecDeque<AttemptId>,
    running: usize,
    unacknowledged: usize,
}

impl Attempts {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Attempts that wait or run.
    pub(super) fn unfinished(&self) -> usize {
        self.running + self.waiting.len()
    }

    /// Ends that were sent and are not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Whether only attempts that have not started are left.
    pub(super) fn only_waiting(&self) -> bool {
        self.entries.len() == self.waiting.len()
    }

    /// Whether an attempt is here, in whatever state.
    pub(super) fn knows(&self, token: proto::Token) -> bool {
        self.ids.contains_key(&key(token))
    }

    /// Takes an attempt that is not here.
    pub(super) fn insert(&mut self, token: proto::Token, spec: Bytes) {
        self.last += 1;
        let id = AttemptId(self.last);
        self.ids.insert(key(token), id);
        self.entries.insert(
            id,
            Entry {
                token,
                state: State::Waiting(spec),
            },
        );
        self.waiting.push_back(id);
    }

    /// Makes the one that waits longest a running one.
    pub(super) fn run_next(&mut self, now: Boottime) -> Option<(AttemptId, proto::Token, Bytes)> {
        let id = self.waiting.pop_front()?;
        let entry = self.entries.get_mut(&id)?;
        let running = State::Running {
            since: now,
            told: false,
        };
        let State::Waiting(spec) = std::mem::replace(&mut entry.state, running) else {
            return None;
        };
        self.running += 1;
        Some((id, entry.token, spec))
    }

    /// Forgets all that have not started.
    pub(super) fn take_waiting(&mut self) -> Vec<proto::Token> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .filter_map(|id| self.remove(id))
            .collect()
    }

    fn remove(&mut self, id: AttemptId) -> Option<proto::Token> {
        let entry = self.entries.remove(&id)?;
        self.ids.remove(&key(entry.token));
        Some(entry.token)
    }

    pub(super) fn token(&self, id: AttemptId) -> Option<proto::Token> {
        self.entries.get(&id).map(|entry| entry.token)
    }

    /// The token and start of one that runs and has not been reported as started; it counts as
    /// reported from then on.
    pub(super) fn tell_started(&mut self, id: AttemptId) -> Option<(proto::Token, Boottime)> {
        let entry = self.entries.get_mut(&id)?;
        match &mut entry.state {
            State::Running { since, told } if !*told => {
                *told = true;
                Some((entry.token, *since))
            }
            _ => None,
        }
    }

    pub(super) fn is_running(&self, id: AttemptId) -> bool {
        matches!(
            self.entries.get(&id),
            Some(Entry {
                state: State::Running { .. },
                ..
            })
        )
    }

    pub(super) fn running_ids(&self) -> Vec<AttemptId> {
        let running = |entry: &Entry| matches!(entry.state, State::Running { .. });
        self.entries
            .iter()
            .filter(|(_, entry)| running(entry))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Keeps the end of a running attempt.
    pub(super) fn finish(
        &mut self,
        id: AttemptId,
        ended: impl FnOnce(proto::Token) -> proto::Ended,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        if !matches!(entry.state, State::Running { .. }) {
            return false;
        }
        self.running -= 1;
        entry.state = State::Done {
            ended: ended(entry.token),
            sent: false,
        };
        true
    }

    /// The master says that an attempt is to stop.
    pub(super) fn stop(&mut self, token: proto::Token) -> Stopping {
        let Some(&id) = self.ids.get(&key(token)) else {
            return Stopping::Unknown;
        };
        let Some(entry) = self.entries.get_mut(&id) else {
            return Stopping::Unknown;
        };
        match entry.state {
            State::Running { .. } => return Stopping::Running(id),
            State::Done { .. } => {}
            State::Waiting(_) => {
                let ended = wire::released(token);
                entry.state = State::Done { ended, sent: false };
                self.waiting.retain(|waiting| *waiting != id);
            }
        }
        Stopping::Done(id)
    }

    /// Makes an end that the master does not want any more one that says only that it is over: a
    /// pod may hold a slot until it hears that.
    pub(super) fn strip(&mut self, id: AttemptId) {
        if let Some(Entry {
            token,
            state: State::Done { ended, .. },
        }) = self.entries.get_mut(&id)
        {
            *ended = wire::released(*token);
        }
    }

    /// The end of an attempt, to be sent now.
    pub(super) fn send_ended(&mut self, id: AttemptId) -> Option<proto::Ended> {
        let entry = self.entries.get_mut(&id)?;
        let State::Done { ended, sent } = &mut entry.state else {
            return None;
        };
        if !std::mem::replace(sent, true) {
            self.unacknowledged += 1;
        }
        Some(ended.clone())
    }

    /// The master has the end of an attempt for good.
    pub(super) fn acknowledge(&mut self, token: proto::Token) {
        let Some(&id) = self.ids.get(&key(token)) else {
            return;
        };
        if let Some(Entry {
            state: State::Done { sent, .. },
            ..
        }) = self.entries.get(&id)
        {
            self.unacknowledged -= usize::from(*sent);
            self.remove(id);
        }
    }

    /// A new connection: nothing counts as told or sent. Returns what is to be sent again.
    pub(super) fn resume(&mut self) -> Vec<AttemptId> {
        self.unacknowledged = 0;
        let mut ends = Vec::new();
        for (id, entry) in &mut self.entries {
            match &mut entry.state {
                State::Waiting(_) => {}
                State::Running { told, .. } => *told = false,
                State::Done { sent, .. } => {
                    *sent = false;
                    ends.push(*id);
                }
            }
        }
        ends
    }

    /// Everything that is here, for a hello.
    pub(super) fn tokens(&self) -> Vec<proto::Token> {
        self.entries.values().map(|entry| entry.token).collect()
    }
}
