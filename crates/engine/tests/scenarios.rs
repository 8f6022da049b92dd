//! Plays every story in `tests/scenarios` and compares what the engine says with what is written
//! there. `UPDATE_SCENARIOS=1 cargo test -p capataz-engine --test scenarios` writes it down anew:
//! read the difference before you commit it.

#![expect(
    clippy::disallowed_methods,
    reason = "stories are files, written anew on request"
)]

mod story;
mod witness;

use std::fs;
use std::path::{Path, PathBuf};

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(folder).expect("the folder of stories");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let is_story = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "txt");
    let mut stories: Vec<PathBuf> = paths.filter(is_story).collect();
    stories.sort();
    stories
}

#[test]
fn every_story_is_told_as_written() {
    let update = option_from_environment("UPDATE_SCENARIOS");
    let (mut told, mut wrong) = (0, Vec::new());
    for path in stories() {
        let written = fs::read_to_string(&path).expect("a story");
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Shown with the panic when a check inside the story fails.
        println!("{name}");
        let now = story::tell(&written);
        told += 1;
        if now != written && update {
            fs::write(&path, now).expect("a story can be written");
        } else if now != written {
            wrong.push(format!("--- {name}\n{}", first_difference(&written, &now)));
        }
    }
    assert!(told > 40, "only {told} stories were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn option_from_environment(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

fn first_difference(written: &str, now: &str) -> String {
    let lines = written.lines().zip(now.lines()).enumerate();
    let differing = lines.into_iter().find(|(_, (a, b))| a != b);
    match differing {
        Some((at, (a, b))) => format!("line {}:\n  written: {a}\n  now:     {b}", at + 1),
        None => format!(
            "{} lines written, {} now",
            written.lines().count(),
            now.lines().count()
        ),
    }
}
