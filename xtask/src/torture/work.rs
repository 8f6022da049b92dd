//! Workers over REST: each leases tasks and reports them, most of them as done, some as failed for
//! good, and writes down each report that was answered.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use rand::Rng;
use serde_json::{Value, json};

use super::http::{Connection, Peer};
use super::notes::Pen;

/// What a worker takes at once: it holds no lease for longer than that takes.
const LEASES: usize = 30;

/// Tasks that are reported as failed for good.
const FAILS: f64 = 0.2;

/// After a call that brought nothing.
const AGAIN: Duration = Duration::from_millis(2);

/// One worker.
pub(crate) struct Hand<'a> {
    pub(crate) peer: &'a Peer,
    /// Where its notes go.
    pub(crate) folder: &'a Path,
    pub(crate) group: &'a str,
    pub(crate) number: u64,
    /// Where it writes down what it executes, as sandboxes do.
    pub(crate) record: Option<&'a Path>,
}

impl Hand<'_> {
    /// Works until it is told to stop. A server that does not answer is asked again later.
    pub(crate) fn work(&self, stop: &dyn Fn() -> bool) -> Result<()> {
        let (mut connection, mut pen) = (Connection::new(self.peer), Pen::new(self.folder)?);
        let open = |path| File::options().create(true).append(true).open(path);
        let mut record = self.record.map(open).transpose()?;
        let mut polls = 0_u64;
        while !stop() {
            polls += 1;
            let leases = match self.lease(&mut connection, polls)? {
                Some(leases) => leases,
                None => {
                    thread::sleep(AGAIN);
                    continue;
                }
            };
            for (task, attempt) in leases {
                if let Some(record) = &mut record {
                    self.write(record, "begin", task, attempt)?;
                    self.write(record, "end", task, attempt)?;
                }
                report(&mut connection, &mut pen, task, attempt)?;
            }
        }
        Ok(())
    }

    /// Tasks and attempts that it holds the leases of now; none without an answer.
    fn lease(&self, connection: &mut Connection, polls: u64) -> Result<Option<Vec<(u64, u32)>>> {
        let number = self.number;
        let body = json!({"worker": format!("worker-{number}"), "pod": format!("pod-{number}"),
            "slots": LEASES, "groups": [self.group], "max": LEASES, "wait": "50ms",
            "poll_id": format!("{:x}-{polls}", rand::random::<u64>())});
        let body = body.to_string();
        let answer = match connection.call("POST", "/api/v1/leases", None, body.as_bytes()) {
            Ok(answer) if answer.status < 300 => answer.json()?,
            _ => return Ok(None),
        };
        let leases = answer["leases"].as_array();
        let leases = leases.context("an answer without leases")?;
        leases.iter().map(token).collect::<Result<_>>().map(Some)
    }

    /// One line in one write, as `bars/witness.rs` has them.
    fn write(&self, record: &mut File, what: &str, task: u64, attempt: u32) -> Result<()> {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
        let now = now.tv_sec() * 1_000_000_000 + now.tv_nsec();
        let line = format!("{what} {task} {attempt} worker-{} - {now}\n", self.number);
        Ok(record.write_all(line.as_bytes())?)
    }
}

fn token(lease: &Value) -> Result<(u64, u32)> {
    let task = lease["task"].as_str().context("a lease without a task")?;
    let attempt = lease["attempt"].as_u64();
    let attempt = attempt.context("a lease without a number")?;
    Ok((task.parse()?, u32::try_from(attempt)?))
}

/// Says how an attempt ended. A report that was refused or not answered may be on record or not.
fn report(connection: &mut Connection, pen: &mut Pen, task: u64, attempt: u32) -> Result<()> {
    let fails = rand::rng().random_bool(FAILS);
    let (how, body) = match fails {
        true => ("fail", r#"{"message":"as it was to be","fatal":true}"#),
        false => ("complete", "{}"),
    };
    let path = format!("/api/v1/attempts/{task}/{attempt}/{how}");
    let answer = connection.call("POST", &path, None, body.as_bytes());
    let acknowledged = answer.is_ok_and(|answer| answer.status < 300);
    match (fails, acknowledged) {
        (false, true) => pen.completed(task, attempt),
        (false, false) => Ok(()),
        (true, true) => pen.failed(task, attempt),
        (true, false) => pen.failed_perhaps(task),
    }
}
