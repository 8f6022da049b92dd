//! Small histories: what a server was asked, what it answered, and the folder that it left.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::folder::{self, Kept};
use crate::bars::process::until;
use crate::bars::system::System;
use crate::torture::http::{Connection, Peer};
use crate::torture::rig::Rig;

pub(crate) const GROUP: &str = "corrupted";

/// How long a server may take to end cleanly.
const STOP: Duration = Duration::from_secs(30);

/// What was acknowledged of a task.
pub(crate) struct Told {
    /// The position that came with its acceptance.
    accepted: u64,
    /// State, output, and the position that came with them.
    end: Option<(&'static str, Value, u64)>,
}

pub(crate) struct History {
    pub(crate) name: &'static str,
    pub(crate) told: HashMap<u64, Told>,
    pub(crate) files: Vec<Kept>,
    /// Everything below it is known to have been synced.
    pub(crate) witnessed: u64,
}

/// The histories: their names, how many tasks, and how the server ends after each part.
pub(crate) const PLANS: [(&str, usize, &[Signal]); 4] = [
    ("stopped", 60, &[Signal::SIGTERM]),
    ("killed", 60, &[Signal::SIGKILL]),
    (
        "twice",
        40,
        &[Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL],
    ),
    ("larger", 1_500, &[Signal::SIGKILL]),
];

impl History {
    /// Lets a server live through a history in `data`, and keeps what is left.
    pub(crate) fn make(
        binary: &Path,
        data: &Path,
        (name, tasks, ends): (&'static str, usize, &[Signal]),
        dice: &mut StdRng,
    ) -> Result<History> {
        let rig = Rig::new(binary, data.to_owned(), 0)?;
        let mut told = HashMap::new();
        for end in ends {
            let mut system = rig.start()?;
            live(&system, tasks, &mut told, dice)?;
            system.process().signal(*end)?;
            until("the server ends", STOP, || system.process().ended())?;
        }
        let files = folder::read(data)?;
        let witnessed = folder::witnessed(&files).context("no witness was left")?;
        Ok(History {
            name,
            told,
            files,
            witnessed,
        })
    }
}

/// Submits tasks, cancels some, fails some, lets most succeed, and leaves some.
fn live(
    system: &System,
    tasks: usize,
    told: &mut HashMap<u64, Told>,
    dice: &mut StdRng,
) -> Result<()> {
    let peer = Peer::new(system.clients().address(), system.clients().token());
    let mut connection = Connection::new(&peer);
    let mut post = |path: &str, body: Value| -> Result<Value> {
        let body = body.to_string();
        connection.call("POST", path, None, body.as_bytes())?.json()
    };
    for first in (0..tasks).step_by(20) {
        let size = 20.min(tasks - first);
        let spec = |n| json!({"group": GROUP, "payload": "x".repeat(n * 7 % 300), "tags": [format!("t={n}")]});
        let specs: Vec<Value> = (first..first + size).map(spec).collect();
        let answer = post("/api/v1/tasks:batch", json!({"tasks": specs}))?;
        let accepted = position(&answer)?;
        for id in answer["ids"].as_array().context("no ids")? {
            let id = id.as_str().context("an id that is no text")?.parse()?;
            let other = told.insert(
                id,
                Told {
                    accepted,
                    end: None,
                },
            );
            ensure!(other.is_none(), "id {id} was given twice");
        }
        let leases = post(
            "/api/v1/leases",
            json!({"worker": "w", "pod": "p", "slots": 100, "groups": [GROUP], "max": size,
                "wait": "1s", "poll_id": format!("{:x}", dice.random::<u64>())}),
        )?;
        for lease in leases["leases"].as_array().context("no leases")? {
            let id: u64 = lease["task"].as_str().context("no task")?.parse()?;
            let report = format!("/api/v1/attempts/{id}/{}", lease["attempt"]);
            let end = match dice.random_range(0..10) {
                0 => {
                    let answer = post(&format!("{report}/fail"), json!({"message": "m"}))?;
                    Some(("failed", Value::Null, position(&answer)?))
                }
                1 => {
                    let answer = post(&format!("/api/v1/tasks/{id}/cancel"), json!({}))?;
                    // The worker has yet to give it up; what is final is on record.
                    Some(("cancelled", Value::Null, position(&answer)?))
                }
                2 => None,
                _ => {
                    let output = json!(format!("output of {id}"));
                    let answer = post(&format!("{report}/complete"), json!({"output": output}))?;
                    Some(("succeeded", output, position(&answer)?))
                }
            };
            told.get_mut(&id)
                .context("a lease of a task of nobody")?
                .end = end;
        }
    }
    Ok(())
}

fn position(answer: &Value) -> Result<u64> {
    answer["position"]
        .as_u64()
        .with_context(|| format!("no position in {answer}"))
}

/// What is missing of what was acknowledged.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    /// It was known to have been synced.
    pub(crate) below_witness: Vec<String>,
    pub(crate) above_witness: usize,
}

impl History {
    /// Compares with what a server lists now.
    pub(crate) fn missing(&self, listed: &HashMap<u64, Value>) -> Missing {
        let mut missing = Missing::default();
        let mut miss = |position: u64, text: String| match position <= self.witnessed {
            true => missing.below_witness.push(text),
            false => missing.above_witness += 1,
        };
        for (id, told) in &self.told {
            let Some(item) = listed.get(id) else {
                miss(told.accepted, format!("{id} is not there"));
                continue;
            };
            let Some((state, output, position)) = &told.end else {
                continue;
            };
            if item["state"] != *state || item["output"] != *output {
                let found = format!("{} with {}", item["state"], item["output"]);
                miss(
                    *position,
                    format!("{id} is {found}, not {state} with {output}"),
                );
            }
        }
        missing
    }
}
