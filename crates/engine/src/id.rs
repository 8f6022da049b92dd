//! Identifiers. Task ids are numbers in here and strings on every wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bits of a [`Key`] that hold the element; the rest hold the task.
const ELEMENT_BITS: u32 = 26;
const ELEMENT_MASK: u64 = (1 << ELEMENT_BITS) - 1;

/// Elements an array may have: 50 million is what users ask for, 26 bits hold a little more.
pub const MAX_ELEMENTS: u32 = 50_000_000;

/// A task, numbered from 1 in the order in which tasks were accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskId(pub u64);

/// A task, or one element of an array.
///
/// Packed into 63 bits, so that it is an SQLite rowid and sorts by accept order, an array before
/// its elements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(u64);

/// The number of a try, from 1, never reused within a task or element.
pub type Attempt = u32;

/// A group's number within its namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GroupId(pub u32);

/// A pod's number within its namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PodId(pub u32);

/// A worker's session: a new incarnation of the same name gets a new number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WorkerId(pub u32);

impl TaskId {
    /// The task as a whole.
    pub fn key(self) -> Key {
        Key(self.0 << ELEMENT_BITS)
    }

    /// One element of the task, which is an array.
    pub fn element(self, index: u32) -> Key {
        Key((self.0 << ELEMENT_BITS) | (u64::from(index) + 1))
    }
}

impl Key {
    /// The task, or the array that the element belongs to.
    pub fn task(self) -> TaskId {
        TaskId(self.0 >> ELEMENT_BITS)
    }

    /// The element's index, for an element of an array.
    pub fn index(self) -> Option<u32> {
        ((self.0 & ELEMENT_MASK) as u32).checked_sub(1)
    }

    /// The packed number: below 2^63 for every id this engine hands out.
    pub fn to_raw(self) -> u64 {
        self.0
    }

    /// The inverse of [`Key::to_raw`].
    pub fn from_raw(raw: u64) -> Key {
        Key(raw)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            None => write!(f, "{}", self.task()),
            Some(index) => write!(f, "{}.{index}", self.task()),
        }
    }
}

/// As people know it: a packed number means nothing to who reads a trace.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not the id of a task or element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a task id such as 12, or 12.0 for an element of an array; got {got:?}")]
pub struct ParseKeyError {
    /// What came.
    pub got: String,
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Key, ParseKeyError> {
        let refuse = || ParseKeyError {
            got: text.to_owned(),
        };
        let (task, index) = match text.split_once('.') {
            None => (text, None),
            Some((task, index)) => (task, Some(index)),
        };
        let task = TaskId(
            parse_digits(task)
                .filter(|n| *n < 1 << 37)
                .ok_or_else(refuse)?,
        );
        match index {
            None => Ok(task.key()),
            Some(index) => {
                let index = parse_digits(index).filter(|n| *n < u64::from(MAX_ELEMENTS));
                Ok(task.element(index.ok_or_else(refuse)? as u32))
            }
        }
    }
}

/// Plain decimal digits only: no sign, no leading zero, so that an id has one spelling.
fn parse_digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (plain && canonical).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        assert_eq!("12".parse(), Ok(TaskId(12).key()));
        assert_eq!("12.0".parse(), Ok(TaskId(12).element(0)));
        for bad in [
            "",
            "x",
            "-1",
            "+1",
            "012",
            "1.",
            ".1",
            "1.2.3",
            "1.01",
            "1.50000000",
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn keys_sort_by_accept_order() {
        let array = TaskId(7);
        assert!(array.key() < array.element(0));
        assert!(array.element(MAX_ELEMENTS - 1) < TaskId(8).key());
        assert_eq!(array.element(3).index(), Some(3));
        assert_eq!(array.element(3).task(), array);
        assert_eq!(array.element(3).to_string(), "7.3");
    }
}
