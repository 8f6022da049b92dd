//! What tasks do in a simulation, written into their payloads.

use bytes::Bytes;
use capataz_engine::{Attempt, Key};

use crate::chance::Chance;

/// What an attempt comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It succeeds.
    Succeed,
    /// It fails; a retry may not.
    Fail,
    /// It fails for good.
    Fatal,
    /// It wants to be called again, once; then it succeeds.
    Again,
    /// It wants to be called again, then it fails, then it succeeds.
    AgainThenFail,
    /// It takes its worker down with it.
    Poison,
}

/// A payload: who sent it, what it does, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Unique in the simulation, except for tasks with a dedup key.
    pub(crate) number: u64,
    pub(crate) deed: Deed,
    pub(crate) millis: u64,
}

/// What an attempt returns: a list that begins with who it is, and is longer for some tasks.
pub(crate) fn output(key: Key, attempt: Attempt) -> String {
    let more = (0..key.task().0 % 4).map(|number| format!(",{number}"));
    format!("[\"{key}/{attempt}\"{}]", more.collect::<String>())
}

impl Work {
    /// Draws what a task does.
    pub(crate) fn draw(chance: &mut Chance, number: u64, may_poison: bool) -> Work {
        let deed = match chance.below(100) {
            0..70 => Deed::Succeed,
            70..82 => Deed::Fail,
            82..86 => Deed::Fatal,
            86..91 => Deed::Again,
            91..94 => Deed::AgainThenFail,
            94..96 if may_poison => Deed::Poison,
            _ => Deed::Succeed,
        };
        let millis = match chance.below(10) {
            0..6 => chance.below(20),
            6..9 => chance.below(1_000),
            _ => chance.below(12_000),
        };
        Work {
            number,
            deed,
            millis,
        }
    }

    /// As a payload.
    pub(crate) fn payload(self) -> Bytes {
        let deed = match self.deed {
            Deed::Succeed => "succeed",
            Deed::Fail => "fail",
            Deed::Fatal => "fatal",
            Deed::Again => "again",
            Deed::AgainThenFail => "again_then_fail",
            Deed::Poison => "poison",
        };
        Bytes::from(format!("{} {deed} {}", self.number, self.millis))
    }

    /// Reads a payload.
    pub(crate) fn parse(payload: &[u8]) -> Option<Work> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut words = text.split(' ');
        let number = words.next()?.parse().ok()?;
        let deed = match words.next()? {
            "succeed" => Deed::Succeed,
            "fail" => Deed::Fail,
            "fatal" => Deed::Fatal,
            "again" => Deed::Again,
            "again_then_fail" => Deed::AgainThenFail,
            "poison" => Deed::Poison,
            _ => return None,
        };
        let millis = words.next()?.parse().ok()?;
        Some(Work {
            number,
            deed,
            millis,
        })
    }
}
