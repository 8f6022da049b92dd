//! What happens to a small server before its files are damaged: something of everything that it
//! keeps.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::told::{Told, end, position};
use crate::bars::process::until;
use crate::bars::system::System;
use crate::torture::http::{Connection, Peer};

pub(crate) const GROUP: &str = "corrupted";
const ARRAYS: &str = "corrupted-arrays";
const STEPS: &str = "corrupted-steps";

/// All groups of plain tasks, arrays and steps.
pub(crate) const GROUPS: [&str; 3] = [GROUP, ARRAYS, STEPS];

/// Tasks of one submission.
const BATCH: usize = 20;

/// Every so many tasks have a dedup key.
const KEYED: usize = 3;

/// Elements of an array, and how many of them are run.
const ELEMENTS: usize = 6;
const ELEMENTS_RUN: usize = 4;

/// How long a run may take to end after its last step.
const RUN: Duration = Duration::from_secs(20);

/// A server, and what it says.
struct Life<'a> {
    connection: Connection,
    told: &'a mut Told,
    dice: &'a mut StdRng,
}

/// Lets it live for a while, and adds what it acknowledges.
pub(crate) fn live(
    system: &System,
    tasks: usize,
    told: &mut Told,
    dice: &mut StdRng,
) -> Result<()> {
    let peer = Peer::new(system.clients().address(), system.clients().token());
    let mut life = Life {
        connection: Connection::new(&peer),
        told,
        dice,
    };
    life.tokens()?;
    life.array()?;
    life.runs()?;
    life.audit()?;
    for first in (0..tasks).step_by(BATCH) {
        life.tasks(BATCH.min(tasks - first))?;
    }
    Ok(())
}

impl Life<'_> {
    fn post(&mut self, path: &str, body: Value) -> Result<Value> {
        let body = body.to_string();
        let answer = self.connection.call("POST", path, None, body.as_bytes());
        answer?.json()
    }

    /// Leases up to `max` tasks of a group: their names, and where to report.
    fn lease(&mut self, group: &str, max: usize) -> Result<Vec<(String, String)>> {
        let poll: u64 = self.dice.random();
        let body = json!({"worker": "w", "pod": "p", "slots": 100, "groups": [group], "max": max,
            "wait": "1s", "poll_id": format!("{poll:x}")});
        let answer = self.post("/api/v1/leases", body)?;
        let leases = answer["leases"].as_array().context("no leases")?;
        let place = |lease: &Value| -> Result<(String, String)> {
            let task = lease["task"].as_str().context("no task")?;
            let report = format!("/api/v1/attempts/{task}/{}", lease["attempt"]);
            Ok((task.to_owned(), report))
        };
        leases.iter().map(place).collect()
    }

    fn complete(&mut self, thing: String, report: &str) -> Result<()> {
        let output = json!(format!("output of {thing}"));
        let answer = self.post(&format!("{report}/complete"), json!({"output": output}))?;
        self.told
            .add(thing, end("succeeded", &output), position(&answer)?);
        Ok(())
    }

    /// Submits tasks, cancels some, fails some, lets most succeed, and leaves some.
    fn tasks(&mut self, count: usize) -> Result<()> {
        let specs: Vec<Value> = (0..count).map(|n| self.task(n)).collect();
        let answer = self.post("/api/v1/tasks:batch", json!({"tasks": specs}))?;
        let accepted = position(&answer)?;
        let ids = answer["ids"].as_array().context("no ids")?;
        for (id, spec) in ids.iter().zip(specs) {
            let thing = format!("task {}", id.as_str().context("an id that is no text")?);
            ensure!(!self.told.knows(&thing), "{thing} was given twice");
            let tags = spec["tags"].clone();
            self.told.add(thing, json!({"tags": tags}), accepted);
            if let Some(key) = spec["dedup_key"].as_str() {
                let shows = json!({"id": id});
                self.told.add(format!("key {key}"), shows, accepted);
                self.told.keyed.push(spec);
            }
        }
        for (id, report) in self.lease(GROUP, count)? {
            let thing = format!("task {id}");
            match self.dice.random_range(0..10) {
                0 => {
                    let answer = self.post(&format!("{report}/fail"), json!({"message": "m"}))?;
                    let shows = end("failed", &Value::Null);
                    self.told.add(thing, shows, position(&answer)?);
                }
                1 => {
                    let note = json!({"note": format!("the cancel of {id}")});
                    let answer = self.post(&format!("/api/v1/tasks/{id}/cancel"), note)?;
                    // The worker has yet to give it up; what is final is on record.
                    let shows = end("cancelled", &Value::Null);
                    self.told.add(thing, shows, position(&answer)?);
                }
                2 => {}
                _ => self.complete(thing, &report)?,
            }
        }
        Ok(())
    }

    fn task(&mut self, n: usize) -> Value {
        let mut task = json!({"group": GROUP, "payload": "x".repeat(n * 7 % 300),
            "tags": [format!("t={n}")]});
        if n.is_multiple_of(KEYED) {
            task["dedup_key"] = json!(format!("{:x}", self.dice.random::<u64>()));
        }
        task
    }

    /// An array, some of whose elements are run.
    fn array(&mut self) -> Result<()> {
        let spec = json!({"group": ARRAYS, "count": ELEMENTS, "payload": "p"});
        let answer = self.post("/api/v1/tasks", spec)?;
        let id = answer["id"].as_str().context("no id")?.to_owned();
        let shows = json!({"count": ELEMENTS});
        self.told
            .add(format!("task {id}"), shows, position(&answer)?);
        for (element, report) in self.lease(ARRAYS, ELEMENTS_RUN)? {
            self.complete(format!("element {element}"), &report)?;
        }
        self.told.arrays.push(id);
        Ok(())
    }

    /// A run to its end, and one that waits for its first step.
    fn runs(&mut self) -> Result<()> {
        let id = self.start()?;
        let path = format!("/api/v1/runs/{id}");
        let ended = until("the run ends", RUN, || {
            for (task, report) in self.lease(STEPS, 1)? {
                self.complete(format!("task {task}"), &report)?;
            }
            let run = self.connection.get(&path)?;
            Ok((run["state"] == "succeeded").then_some(run))
        })?;
        // What is shown is durable, up to the position of the answer.
        let shows = json!({"state": "succeeded", "steps": ended["steps"],
            "message": ended["message"], "tags": ended["tags"]});
        let at = position(&ended)?;
        self.told.add(format!("run {id}"), shows, at);
        let shows = json!({"state": "succeeded"});
        self.told.add(format!("listed run {id}"), shows, at);
        self.start()?;
        Ok(())
    }

    fn start(&mut self) -> Result<String> {
        let n: u32 = self.dice.random();
        let definition = json!({"name": "corrupted", "steps": [
            {"id": "first", "group": STEPS, "payload": "${message.n}"},
            {"id": "second", "group": STEPS, "after": "first"},
        ]});
        let tag = format!("r={n}");
        let request = json!({"definition": definition, "message": {"n": n}, "tags": [tag]});
        let answer = self.post("/api/v1/runs", request)?;
        let id = answer["id"].as_str().context("no id")?.to_owned();
        let shows = json!({"workflow": "corrupted", "tags": [tag], "message": {"n": n}});
        let at = position(&answer)?;
        self.told.add(format!("run {id}"), shows, at);
        let shows = json!({"tags": [tag]});
        self.told.add(format!("listed run {id}"), shows, at);
        self.told.runs.push(id.clone());
        Ok(id)
    }

    /// Two tokens, one of them revoked.
    fn tokens(&mut self) -> Result<()> {
        for revoked in [false, true] {
            let name = format!("{:x}", self.dice.random::<u64>());
            let request = json!({"role": "viewer", "name": name});
            let made = self.post("/api/v1/tokens", request)?;
            let id = made["id"].as_str().context("no id")?.to_owned();
            let text = made["token"].as_str().context("no token")?.to_owned();
            let mut at = position(&made)?;
            let (token, secret) = (format!("token {id}"), format!("secret {id}"));
            let mut status = 200;
            if revoked {
                let path = format!("/api/v1/tokens/{id}");
                let answer = self.connection.call("DELETE", &path, None, b"")?.json()?;
                (at, status) = (position(&answer)?, 401);
                self.told.gone(&token, at);
            } else {
                let shows = json!({"name": name, "role": "viewer"});
                self.told.add(token, shows, at);
            }
            self.told.add(secret, json!({"status": status}), at);
            self.told.secrets.push((id, text));
        }
        Ok(())
    }

    /// Every line of the audit trail: none of them ever changes.
    fn audit(&mut self) -> Result<()> {
        let lines = self.connection.call("GET", "/api/v1/audit", None, b"")?;
        // Beyond all of them.
        let stats = self.connection.get("/api/v1/stats")?;
        let at = position(&stats["journal"])?;
        for line in lines.lines()? {
            self.told.add(format!("line {}", line["seq"]), line, at);
        }
        Ok(())
    }
}
