//! The workflows of `examples/`, each run with the one command that its head names.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::harness::{Place, Run};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Runs `examples/run.sh FILE FLAGS`.
fn run(place: &Place, file: &str, flags: &[String]) -> Run {
    let program = place.command::<&str>(&[]);
    let mut command = Command::new(examples().join("run.sh"));
    command.arg(examples().join(file)).args(flags);
    // Nothing of whoever runs the tests: what `command` has prepared, with another program.
    command.current_dir(place.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("CAPATAZ", program.get_program());
    Run::of(command)
}

fn param(name: &str, value: &Path) -> String {
    format!("--param={name}={}", value.display())
}

#[test]
fn the_etl_measures_every_file_and_checks_its_own_report() {
    let place = Place::new();
    let folder = place.path().join("files");
    std::fs::create_dir_all(folder.join("below")).unwrap();
    let mut expected = Vec::new();
    let mut bytes = 0;
    for (n, name) in ["a", "b \"quoted\" file", "below/c"].iter().enumerate() {
        let content = format!("{name}\n").repeat(n * 50);
        bytes += content.len();
        place.write(&format!("files/{name}"), &content);
        expected.push(format!(
            "{}  ./{name}",
            hex::encode(Sha256::digest(&content))
        ));
    }
    let target = place.path().join("report");
    let flags = [param("folder", &folder), param("target", &target)];
    let shown = run(&place, "etl/etl.yaml", &flags).exits(0);
    assert!(shown.contains("\nstate: succeeded"), "{shown}");
    assert_eq!(
        place.read("report/SHA256SUMS").lines().collect::<Vec<_>>(),
        expected
    );
    let totals = format!("{{\"files\": 3, \"bytes\": {bytes}}}\n");
    assert_eq!(place.read("report/totals.json"), totals);
}

#[test]
fn the_experiment_waits_for_its_cluster_and_leaves_only_its_output() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("input/below")).unwrap();
    place.write("input/one", "the cat and The dog\n");
    place.write("input/below/two", "the end\n");
    let target = place.path().join("output");
    let flags = [
        param("input", &place.path().join("input")),
        param("target", &target),
        "--param=top=2".to_owned(),
    ];
    let shown = run(&place, "experiment/experiment.yaml", &flags).exits(0);
    assert!(shown.contains("\nresult: {\"words\":2}"), "{shown}");
    let words = place.read("output/words.txt");
    assert_eq!(
        words.split_whitespace().collect::<Vec<_>>(),
        ["3", "the", "1", "and"]
    );
    let mut left: Vec<_> = std::fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["environment.txt", "words.txt"],
        "the work folder is gone"
    );
}

#[test]
fn the_media_pipeline_packs_what_is_whole_and_cleans_up_after_what_is_not() {
    let place = Place::new();
    let images = place.path().join("images");
    let made = Command::new(examples().join("media/images.sh"))
        .arg(&images)
        .status();
    assert!(made.unwrap().success());
    let flags = |names: &str, target: &Path| {
        let images_of = format!("--param=images:={names}");
        [param("folder", &images), images_of, param("target", target)]
    };
    let whole = place.path().join("whole");
    run(
        &place,
        "media/media.yaml",
        &flags("[\"ramp\",\"disc\"]", &whole),
    )
    .exits(0);
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xf")
        .arg(whole.join("images.tar"))
        .arg("-C")
        .arg(&whole);
    assert!(unpack.status().unwrap().success());
    let ramp = std::fs::read(whole.join("ramp.pgm")).unwrap();
    let (head, pixels) = ramp.split_at(ramp.len() - 64 * 64);
    assert_eq!(head, b"P5\n64 64\n255\n");
    let (dark, light) = pixels.split_at(64 * 32);
    assert!(dark.iter().all(|pixel| *pixel == 0) && light.iter().all(|pixel| *pixel == 255));

    let broken = place.path().join("broken");
    let shown = run(
        &place,
        "media/media.yaml",
        &flags("[\"disc\",\"cut\"]", &broken),
    )
    .exits(2);
    assert!(shown.contains("\nstate: failed (step_failed)"), "{shown}");
    assert!(shown.contains("render  failed"), "{shown}");
    assert_eq!(
        std::fs::read_dir(&broken).unwrap().count(),
        0,
        "nothing half done is left"
    );
}
