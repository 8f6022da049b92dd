//! Drawings as text files. `UPDATE_GOLDEN=1 cargo test -p capataz-drawing --test drawing` writes them
//! anew; the difference is to be read before it is committed.

use std::path::Path;

use capataz_drawing::{Canvas, Picture, dag, dot, gantt, mermaid};

use crate::pictures;

#[expect(clippy::disallowed_methods, reason = "a test reads its files")]
fn check(name: &str, drawing: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&path, drawing).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the file is there");
    assert!(expected == drawing, "{name} differs; now it is\n{drawing}");
}

fn both(picture: &Picture, canvas: &Canvas) -> String {
    format!("{}\n{}", dag(picture, canvas), gantt(picture, canvas))
}

#[test]
fn a_chain() {
    check("chain.txt", &both(&pictures::chain(), &Canvas::new(80, 24)));
}

#[test]
fn a_fork_and_join() {
    check(
        "fork_join.txt",
        &both(&pictures::fork_join(), &Canvas::new(100, 24)),
    );
}

#[test]
fn a_diamond() {
    check(
        "diamond.txt",
        &both(&pictures::diamond(), &Canvas::new(100, 24)),
    );
}

#[test]
fn a_fan_out_is_folded() {
    check(
        "fan_out.txt",
        &both(&pictures::fan_out(), &Canvas::new(90, 24)),
    );
}

#[test]
fn a_run_with_everything() {
    let canvas = Canvas::new(100, 24);
    check("everything.txt", &both(&pictures::everything(), &canvas));
}

#[test]
fn plain_characters_only() {
    let canvas = Canvas {
        ascii: true,
        ..Canvas::new(100, 24)
    };
    check("ascii.txt", &both(&pictures::fork_join(), &canvas));
}

#[test]
fn colours() {
    let canvas = Canvas {
        colour: true,
        ..Canvas::new(80, 24)
    };
    let shown = both(&pictures::chain(), &canvas).replace('\x1b', "\\e");
    check("colours.txt", &shown);
}

#[test]
fn what_finds_no_room_is_counted() {
    check(
        "small.txt",
        &both(&pictures::diamond(), &Canvas::new(60, 8)),
    );
}

#[test]
fn a_run_without_steps() {
    let picture = pictures::run("empty", 3, Vec::new());
    check("empty.txt", &both(&picture, &Canvas::new(60, 8)));
}

#[test]
fn for_graphviz() {
    check("everything.dot.txt", &dot(&pictures::everything()));
}

#[test]
fn for_mermaid() {
    check("everything.mermaid.txt", &mermaid(&pictures::everything()));
}
