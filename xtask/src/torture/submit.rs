//! Clients that submit, each a thread with a connection of its own.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::http::{Answer, Connection, Peer};
use super::notes::Pen;

/// Between one try and the next.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a client goes on asking: longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(60);

/// One client in so many asks only once, so that some submissions stay without an answer.
const GIVES_UP: f64 = 0.1;

/// How often a client cancels one of the tasks of the submission before.
const CANCELS: f64 = 0.5;

/// What tasks are like.
pub(crate) trait Shape: Sync {
    /// How many tasks a submission has at most, and what each is. Drawn anew for each submission.
    fn draw(&self, dice: &mut StdRng) -> (usize, Value);
}

/// How much may be submitted by now, and how much was.
#[derive(Default)]
pub(crate) struct Allowance {
    allowed: AtomicUsize,
    next: AtomicUsize,
    closed: AtomicBool,
    revoked: AtomicBool,
}

impl Allowance {
    /// Numbers begin with `first`.
    pub(crate) fn from(first: usize) -> Allowance {
        Allowance {
            allowed: AtomicUsize::new(first),
            next: AtomicUsize::new(first),
            ..Allowance::default()
        }
    }

    pub(crate) fn grant(&self, tasks: usize) {
        self.allowed.fetch_add(tasks, Ordering::Relaxed);
    }

    /// Nothing will be granted any more: clients end when they have submitted what was.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Clients end now, also those that wait for an answer.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
        self.allowed.store(0, Ordering::Relaxed);
        self.close();
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }

    /// The first number that was not submitted.
    pub(crate) fn next(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// The next numbers, up to `size` of them; none at the end.
    fn take(&self, size: usize) -> Option<Range<usize>> {
        loop {
            let closed = self.closed.load(Ordering::Relaxed);
            let (next, allowed) = (
                self.next.load(Ordering::Relaxed),
                self.allowed.load(Ordering::Relaxed),
            );
            if next < allowed {
                let end = (next + size).min(allowed);
                let (ok, full) = (Ordering::Relaxed, Ordering::Relaxed);
                if self.next.compare_exchange(next, end, ok, full).is_ok() {
                    return Some(next..end);
                }
            } else if closed {
                return None;
            } else {
                thread::sleep(AGAIN);
            }
        }
    }
}

/// Submits until nothing is allowed any more, and cancels a task now and then.
pub(crate) fn run(
    peer: &Peer,
    folder: &Path,
    allowance: &Allowance,
    shape: &dyn Shape,
    mut dice: StdRng,
) -> Result<()> {
    let (mut connection, mut pen) = (Connection::new(peer), Pen::new(folder)?);
    let enough = || allowance.is_revoked();
    let mut before = Vec::new();
    loop {
        let (size, task) = shape.draw(&mut dice);
        let Some(numbers) = allowance.take(size) else {
            return Ok(());
        };
        let body = body(&numbers, task, dice.random());
        let key = format!("{:032x}", dice.random::<u128>());
        let patience = match dice.random_bool(GIVES_UP) {
            true => Duration::ZERO,
            false => PATIENCE,
        };
        match submit(&mut connection, &key, &body, patience, &enough)? {
            Some(ids) => {
                ensure!(
                    ids.len() == numbers.len(),
                    "{} ids for {numbers:?}",
                    ids.len()
                );
                pen.accepted(numbers.start, &ids)?;
                if !before.is_empty() && dice.random_bool(CANCELS) {
                    let id = before[dice.random_range(0..before.len())];
                    let key = format!("{:032x}", dice.random::<u128>());
                    cancel(&mut connection, &mut pen, &key, id, patience, &enough)?;
                }
                before = ids;
            }
            None => pen.unanswered(&numbers)?,
        }
    }
}

/// The tasks with their numbers, in a tag or in a key that the server is to recognise.
fn body(numbers: &Range<usize>, mut task: Value, by_key: bool) -> Vec<u8> {
    let mut text = String::from("{\"tasks\":[");
    for n in numbers.clone() {
        match by_key {
            true => task["dedup_key"] = json!(format!("n={n}")),
            false => task["tags"] = json!([format!("n={n}")]),
        }
        text.push_str(&format!("{task},"));
    }
    text.pop();
    text.push_str("]}");
    text.into_bytes()
}

/// The ids of what was accepted; none without an answer.
fn submit(
    connection: &mut Connection,
    key: &str,
    body: &[u8],
    patience: Duration,
    enough: &dyn Fn() -> bool,
) -> Result<Option<Vec<u64>>> {
    match insist(
        connection,
        "/api/v1/tasks:batch",
        key,
        body,
        patience,
        enough,
    ) {
        None => Ok(None),
        Some(answer) if answer.status < 300 => ids(&answer).map(Some),
        Some(answer) => bail!(
            "a submission was refused: {} {}",
            answer.status,
            answer.code()
        ),
    }
}

/// Cancels a task that was acknowledged, and notes what was said to that.
fn cancel(
    connection: &mut Connection,
    pen: &mut Pen,
    key: &str,
    id: u64,
    patience: Duration,
    enough: &dyn Fn() -> bool,
) -> Result<()> {
    let path = format!("/api/v1/tasks/{id}/cancel");
    match insist(connection, &path, key, b"{}", patience, enough) {
        None => pen.cancelled_perhaps(id),
        Some(answer) if answer.status < 300 => pen.cancelled(id),
        // It has ended before.
        Some(answer) if answer.code() == "not_live" => Ok(()),
        Some(answer) => bail!(
            "the cancel of {id} was refused: {} {}",
            answer.status,
            answer.code()
        ),
    }
}

/// Asks until there is an answer that will stay the same, or no patience left.
fn insist(
    connection: &mut Connection,
    path: &str,
    key: &str,
    body: &[u8],
    patience: Duration,
    enough: &dyn Fn() -> bool,
) -> Option<Answer> {
    let begun = Instant::now();
    loop {
        match connection.call("POST", path, Some(key), body) {
            Ok(answer) if !transient(answer.status) => return Some(answer),
            _ if begun.elapsed() >= patience || enough() => return None,
            _ => thread::sleep(AGAIN),
        }
    }
}

/// Whether the same request may well be taken later.
pub(crate) fn transient(status: u16) -> bool {
    matches!(status, 429 | 503 | 507)
}

fn ids(answer: &Answer) -> Result<Vec<u64>> {
    let ids = answer.json()?;
    let ids = ids["ids"].as_array().context("an answer without ids")?;
    let id = |id: &Value| id.as_str().and_then(|id| id.parse().ok());
    ids.iter()
        .map(|value| id(value).with_context(|| format!("no id: {value}")))
        .collect()
}
