//! One bit, one sector or one end of a stopped server's files is damaged, and a server started on
//! them: it refuses and says where, or everything that was acknowledged is there.

mod folder;
mod history;
mod live;
mod read_back;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::options::Options;
use super::rig::Rig;
use folder::{Damage, Kept};
use history::{History, PLANS};
use read_back::read_back;

/// Faster than any disk; a damaged byte is a damaged byte.
const MEMORY: &str = "/dev/shm";

/// Faults that are told in full.
const TOLD: usize = 20;

/// What came of an injection.
enum Outcome {
    /// The server did not start, and said where.
    Refused,
    /// The server started, and refused to read what is damaged.
    RefusedToRead,
    /// What was damaged was made anew, or put aside.
    Repaired,
    Harmless,
    /// A tail that nobody can tell from a torn write was cut: docs say what that may cost.
    CutAboveWitness,
    Fault(String),
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Outcome::Refused => "refused",
            Outcome::RefusedToRead => "refused_to_read",
            Outcome::Repaired => "repaired",
            Outcome::Harmless => "harmless",
            Outcome::CutAboveWitness => "cut_above_witness",
            Outcome::Fault(_) => "silent",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<(bool, Value)> {
    let (begun, mut dice) = (Instant::now(), options.dice());
    let folder = match Path::new(MEMORY).is_dir() {
        true => tempfile::tempdir_in(MEMORY)?,
        false => tempfile::tempdir()?,
    };
    let mut histories = Vec::new();
    for plan in PLANS {
        let data = folder.path().join(plan.0);
        let history = History::make(&options.binary, &data, plan, &mut dice)?;
        let whole = inject(options, folder.path(), &history, None)?;
        ensure!(
            matches!(whole, Outcome::Harmless),
            "{}: not whole without any damage: {}",
            plan.0,
            told(&whole)
        );
        histories.push(history);
    }
    let mut outcomes = BTreeMap::<&str, usize>::new();
    let mut files = BTreeMap::<String, BTreeMap<&str, usize>>::new();
    for round in 1..=options.rounds {
        let history = &histories[dice.random_range(0..histories.len())];
        let file = draw_file(history, &mut dice)?;
        let damage = file.draw(&mut dice);
        let outcome = inject(options, folder.path(), history, Some((&file.name, damage)))
            .with_context(|| format!("{}: {damage:?}", file.name.display()))?;
        *outcomes.entry(outcome.name()).or_default() += 1;
        let of_file = files.entry(kind(file)).or_default();
        *of_file.entry(outcome.name()).or_default() += 1;
        if let Outcome::Fault(text) = &outcome
            && outcomes["silent"] <= TOLD
        {
            let (file, history) = (file.name.display(), history.name);
            eprintln!("FAULT {round}: {history}, {file}, {damage:?}: {text}");
        }
        if round % 100 == 0 {
            eprintln!("{round} injections: {outcomes:?}");
        }
    }
    let silent = outcomes.get("silent").copied().unwrap_or_default();
    let figures = json!({
        "torture": "corrupt", "injections": options.rounds, "outcomes": outcomes,
        "files": files, "silent": silent, "seconds": begun.elapsed().as_secs(),
    });
    Ok((silent == 0, figures))
}

fn told(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Fault(text) => text,
        other => other.name(),
    }
}

/// Every kind of file as often as the others.
fn draw_file<'a>(history: &'a History, dice: &mut StdRng) -> Result<&'a Kept> {
    let files: Vec<&Kept> = history
        .files
        .iter()
        .filter(|file| file.has_content())
        .collect();
    ensure!(!files.is_empty(), "nothing was left to damage");
    Ok(files[dice.random_range(0..files.len())])
}

fn kind(file: &Kept) -> String {
    let name = file.name.file_name().unwrap_or_default().to_string_lossy();
    match name.ends_with(".segment") {
        true => "segment".to_owned(),
        false => name.into_owned(),
    }
}

/// Writes a history's folder with one damage in it, and starts a server on it.
fn inject(
    options: &Options,
    folder: &Path,
    history: &History,
    damage: Option<(&PathBuf, Damage)>,
) -> Result<Outcome> {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    for file in &history.files {
        let here = damage.filter(|(name, _)| **name == file.name);
        file.write(&data, here.map(|(_, damage)| damage))?;
    }
    let rig = Rig::new(&options.binary, data.clone(), 0)?;
    let system = match rig.start() {
        Ok(system) => system,
        Err(error) => {
            let said = format!("{error:#}");
            return Ok(match says_where(&said) {
                true => Outcome::Refused,
                false => Outcome::Fault(format!("refused without saying where: {said}")),
            });
        }
    };
    let shown = match read_back(&system, &history.told) {
        Ok(shown) => shown,
        Err(error) => {
            let said = format!("{error:#}");
            // What cannot be read is refused with a status; nothing is made up for it.
            return Ok(match said.contains("status ") {
                true => Outcome::RefusedToRead,
                false => Outcome::Fault(said),
            });
        }
    };
    let missing = history.told.missing(&shown, history.witnessed);
    if let Some(first) = missing.below_witness.first() {
        let count = missing.below_witness.len();
        let said = system.said();
        return Ok(Outcome::Fault(format!(
            "{count} missing: {first}; the server said: {said}"
        )));
    }
    Ok(match missing.above_witness {
        0 if system.said().contains("made anew") => Outcome::Repaired,
        0 => Outcome::Harmless,
        _ => Outcome::CutAboveWitness,
    })
}

/// What a refusal may name: a position, a place in a file, or the file.
const PLACES: [&str; 7] = [
    "position",
    "records ",
    "record ",
    "segment",
    "witness",
    "store.db",
    "admin-token",
];

fn says_where(said: &str) -> bool {
    let refused = said.contains("the server ended with exit status");
    refused && PLACES.iter().any(|place| said.contains(place))
}
