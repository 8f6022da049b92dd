//! Asks a server for everything that was acknowledged.

use std::io;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::live::GROUPS;
use super::told::{Shown, Told};
use crate::bars::system::System;
use crate::torture::http::{Connection, Peer};

/// Items of a page: the most that a list may have.
const PAGE: usize = 10_000;

/// Everything that the server shows, by what it is; an error with a status when it refuses to.
pub(crate) fn read_back(system: &System, told: &Told) -> Result<Shown> {
    let peer = Peer::new(system.clients().address(), system.clients().token());
    let (mut connection, mut shown) = (Connection::new(&peer), Shown::new());
    audit(&mut connection, &mut shown)?;
    for group in GROUPS {
        list(
            &mut connection,
            "task",
            &format!("tasks?group={group}"),
            &mut shown,
        )?;
    }
    list(&mut connection, "listed run", "runs?", &mut shown)?;
    // What is not in a list is missing, which is judged later; here it would look like a refusal.
    for array in &told.arrays {
        if shown.contains_key(&format!("task {array}")) {
            let path = format!("tasks?array={array}");
            list(&mut connection, "element", &path, &mut shown)?;
        }
    }
    for id in &told.runs {
        if shown.contains_key(&format!("listed run {id}")) {
            let run = connection.get(&format!("/api/v1/runs/{id}"))?;
            shown.insert(format!("run {id}"), run);
        }
    }
    list(&mut connection, "token", "tokens", &mut shown)?;
    for (id, text) in &told.secrets {
        let mut holder = Connection::new(&peer.with_token(text));
        let answer = holder.call("GET", "/api/v1/workers", None, b"")?;
        shown.insert(format!("secret {id}"), json!({"status": answer.status}));
    }
    repeat(&mut connection, told, &mut shown)?;
    Ok(shown)
}

/// Reads all pages of a list.
fn list(connection: &mut Connection, kind: &str, path: &str, shown: &mut Shown) -> Result<()> {
    let mut cursor = String::new();
    loop {
        let limits = match kind {
            "token" => String::new(),
            _ => format!("&limit={PAGE}{cursor}"),
        };
        let mut page = connection.get(&format!("/api/v1/{path}{limits}"))?;
        let items = page["items"].as_array_mut();
        for item in items.context("a page without items")? {
            let id = item["id"].as_str().context("an item without an id")?;
            let name = format!("{kind} {id}");
            shown.insert(name, item.take());
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

fn audit(connection: &mut Connection, shown: &mut Shown) -> Result<()> {
    let answer = match connection.call("GET", "/api/v1/audit", None, b"") {
        // The head was sent before the damage was met; what follows shows whether the server lives.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            anyhow::bail!("status 200, and the lines break off")
        }
        answer => answer?,
    };
    for line in answer.lines()? {
        shown.insert(format!("line {}", line["seq"]), line);
    }
    Ok(())
}

/// Submits again what has a dedup key: it is known by its id.
fn repeat(connection: &mut Connection, told: &Told, shown: &mut Shown) -> Result<()> {
    let body = json!({"tasks": told.keyed}).to_string();
    let answer = connection.call("POST", "/api/v1/tasks:batch", None, body.as_bytes())?;
    let answer = answer.json()?;
    let ids: Option<&Vec<Value>> = answer["ids"].as_array();
    for (spec, id) in told.keyed.iter().zip(ids.context("no ids")?) {
        let key = spec["dedup_key"].as_str().unwrap_or_default();
        shown.insert(format!("key {key}"), json!({"id": id}));
    }
    Ok(())
}
