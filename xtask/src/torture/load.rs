//! A system under load while something is done to it: what `kill` and `pause` have in common.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::events::{Progress, follow};
use super::fleet::{Fleet, Mixed, TOLD, Victim, groups};
use super::http::Peer;
use super::notes::Notes;
use super::options::Options;
use super::submit::{self, Allowance};
use super::verdict::{Lists, Verdict};
use super::work::Hand;
use crate::bars::process::until;
use crate::bars::system::{Setup, System};
use crate::bars::witness::RECORD;

/// Silence after which a worker's lease has run out, so that hundreds of faults take minutes.
const LEASE: &str = "1s";

/// Lease, term and margin: after this much silence the server gives a worker's tasks to others.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(4);

/// Clients that submit at once.
const CLIENTS: u64 = 3;

/// How long the stream may take to tell the last end, once it is on record.
const STREAM: Duration = Duration::from_secs(60);

/// How long the tasks of a run may take to end after the last blow.
const WORK: &str = "8m";

/// Enough history for every event of a run: nothing may be dropped from the stream.
const KEPT: &str = "50000000";

/// Between one blow and the next.
const PAUSE_MS: std::ops::Range<u64> = 200..1_200;

/// How often each kind of process was hit.
type Hits = BTreeMap<&'static str, usize>;

/// Something that is done to a system, once for each round; says who was hit.
pub(crate) type Blow = fn(&mut System, &mut Fleet, &mut StdRng) -> Result<Vec<Victim>>;

/// Runs `options.tasks` tasks through `options.rounds` blows, and judges.
pub(crate) fn run(options: &Options, blow: Blow) -> Result<(bool, Value)> {
    let begun = Instant::now();
    let mut system = System::start_as(Setup {
        binary: options.binary.clone(),
        lease: Some(LEASE),
        data: None,
        env: vec![("CAPATAZ_SERVE_RETENTION_TASKS", KEPT.to_owned())],
    })?;
    let peer = Peer::new(system.clients().address(), system.clients().token());
    let folder = system.path().to_owned();
    let mut fleet = Fleet::start(&system)?;
    let (shape, allowance, progress) = (
        Mixed::new(&folder)?,
        Allowance::default(),
        Progress::default(),
    );
    let hand = Hand {
        peer: &peer,
        folder: &folder,
        group: TOLD,
        number: 1,
        record: Some(&folder.join(TOLD).join(RECORD)),
    };
    let (hits, lists, story) = thread::scope(|scope| -> Result<_> {
        let follower = scope.spawn(|| follow(&peer, &progress));
        let client = |number| {
            let dice = StdRng::seed_from_u64(options.seed ^ (number << 32));
            let (peer, folder, allowance, shape) = (&peer, &folder, &allowance, &shape);
            scope.spawn(move || submit::run(peer, folder, allowance, shape, dice))
        };
        let clients: Vec<_> = (1..=CLIENTS).map(client).collect();
        let hand = scope.spawn(|| hand.work(&|| progress.is_stopped()));
        let told = (|| -> Result<(Hits, Lists)> {
            let struck = strike(options, &mut system, &mut fleet, &allowance, blow);
            match struck {
                Ok(_) => allowance.close(),
                Err(_) => allowance.revoke(),
            }
            for client in clients {
                joined(client)?;
            }
            let (hits, lists) = (struck?, settle(&system, &peer)?);
            let told = || progress.ended() >= lists.len() || follower.is_finished();
            until("the stream tells every end", STREAM, || {
                Ok(told().then_some(()))
            })?;
            Ok((hits, lists))
        })();
        // Whatever happened: these two end with the server.
        progress.stop();
        system.kill()?;
        joined(hand)?;
        let told = told.with_context(|| format!("the server said: {}", tail(&system)));
        told.and_then(|(hits, lists)| Ok((hits, lists, joined(follower)?)))
    })?;
    let records: Vec<_> = groups().iter().map(|name| folder.join(name)).collect();
    let mut verdict = Verdict::judge(&Notes::read(&folder)?, &lists, &records)?;
    verdict.compare_story(&story, &lists, &records)?;
    let mut figures = verdict.figures(&options.name);
    figures["hits"] = json!(hits);
    figures["seconds"] = json!(begun.elapsed().as_secs());
    Ok((verdict.whole(), figures))
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let panicked = |_| anyhow::anyhow!("a thread panicked");
    thread.join().map_err(panicked)?
}

/// Grants each round its share of the tasks, and strikes at a random moment of it.
fn strike(
    options: &Options,
    system: &mut System,
    fleet: &mut Fleet,
    allowance: &Allowance,
    blow: Blow,
) -> Result<Hits> {
    let (mut dice, mut hits) = (options.dice(), Hits::new());
    let (share, mut rest) = (
        options.tasks / options.rounds,
        options.tasks % options.rounds,
    );
    for round in 1..=options.rounds {
        allowance.grant(share + std::mem::take(&mut rest));
        thread::sleep(Duration::from_millis(dice.random_range(PAUSE_MS)));
        fleet.all_run()?;
        for victim in blow(system, fleet, &mut dice).with_context(|| format!("round {round}"))? {
            *hits.entry(victim.kind()).or_default() += 1;
        }
        if round % 10 == 0 {
            eprintln!("round {round} of {}: {hits:?}", options.rounds);
        }
    }
    Ok(hits)
}

/// Waits for the end of all tasks, and lists them.
fn settle(system: &System, peer: &Peer) -> Result<Lists> {
    let groups = groups();
    for group in &groups {
        let wait = ["wait", "--group", group, "--timeout", WORK];
        let output = system.clients().output(&wait)?;
        let code = output.status.code();
        ensure!(
            matches!(code, Some(0 | 2 | 3)),
            "{group}: wait ended with {code:?}"
        );
    }
    Lists::read(peer, &groups)
}

/// The end of what the server said.
fn tail(system: &System) -> String {
    let said = system.said();
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
