//! How a session comes to its end.

use std::time::Duration;

use super::call::SessionError;
use crate::clock::Boottime;

/// How long a worker that has nothing left to run tries to hand over its last results and to say
/// goodbye. After that the master finds out by itself, when the lease has run out.
const DELIVERY: Duration = Duration::from_secs(10);
/// The same when it was told to stop now.
const HURRIED_DELIVERY: Duration = Duration::from_secs(1);
/// How long it waits for the master to hang up after it said goodbye.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum Phase {
    Serving,
    Draining(Drain),
    /// Goodbye was said.
    Gone {
        since: Boottime,
    },
    /// What runs is being stopped; then the session ends with this.
    Failing(SessionError),
    Over,
}

/// Nothing new is started.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// The master knows and sends nothing more.
    pub(super) told_by_master: bool,
    /// When what still runs is asked to end.
    pub(super) deadline: Option<Boottime>,
    /// When it became idle.
    pub(super) idle_since: Option<Boottime>,
    /// Whether somebody waits impatiently for the end.
    pub(super) hurry: bool,
}

impl Drain {
    /// When the session gives up to hand over what is left.
    pub(super) fn give_up_at(&self) -> Option<Boottime> {
        let patience = if self.hurry {
            HURRIED_DELIVERY
        } else {
            DELIVERY
        };
        self.idle_since.map(|since| since + patience)
    }

    /// A second order can only shorten what the first allowed.
    pub(super) fn shorten(&mut self, deadline: Option<Boottime>) {
        self.deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

impl Phase {
    pub(super) fn is_serving(&self) -> bool {
        matches!(self, Phase::Serving)
    }

    pub(super) fn drain(&mut self) -> Option<&mut Drain> {
        if let Phase::Serving = self {
            *self = Phase::Draining(Drain::default());
        }
        match self {
            Phase::Draining(drain) => Some(drain),
            _ => None,
        }
    }

    /// The next moment at which time alone changes something.
    pub(super) fn wake_at(&self) -> Option<Boottime> {
        match self {
            Phase::Draining(drain) => [drain.deadline, drain.give_up_at()]
                .into_iter()
                .flatten()
                .min(),
            Phase::Gone { since } => Some(*since + GOODBYE),
            Phase::Serving | Phase::Failing(_) | Phase::Over => None,
        }
    }
}
