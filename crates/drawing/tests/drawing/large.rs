//! Graphs of 100,000 steps, which is what a workflow may have. Each is drawn well within a second by
//! an optimized build; the limit in here is that of an unoptimized one and catches what grows with
//! the square.

use std::time::Duration;

use capataz_drawing::{Canvas, Picture, PictureStep, dag, dot, gantt, mermaid};

use crate::pictures;

const STEPS: usize = 100_000;
const AT_MOST: Duration = Duration::from_secs(20);

/// A run of steps, each after those that `after` names.
fn graph(after: impl Fn(usize) -> Vec<usize>) -> Picture {
    let step = |place| pictures::step(&format!("step_{place}"), &after(place));
    let mut steps: Vec<PictureStep> = (0..STEPS).map(step).collect();
    steps[0] = pictures::ran(steps[0].clone(), 0, 1, None);
    pictures::run("large", 60, steps)
}

#[expect(clippy::disallowed_methods, reason = "a test measures")]
fn check(name: &str, picture: &Picture) {
    let canvas = Canvas::new(120, 50);
    let begun = std::time::Instant::now();
    let drawing = dag(picture, &canvas);
    let drawn = begun.elapsed();
    let chart = gantt(picture, &canvas);
    let charted = begun.elapsed() - drawn;
    let texts = dot(picture).len() + mermaid(picture).len();
    let all = begun.elapsed();
    println!("{name}: dag {drawn:?}, gantt {charted:?}, all {all:?}, {texts} bytes\n{drawing}");
    assert!(drawing.lines().count() <= 50 && chart.lines().count() <= 50);
    assert!(all < AT_MOST, "{name} took {all:?}");
}

#[test]
fn a_chain() {
    check(
        "chain",
        &graph(|place| place.checked_sub(1).into_iter().collect()),
    );
}

#[test]
fn a_fan() {
    check(
        "fan",
        &graph(|place| if place == 0 { vec![] } else { vec![0] }),
    );
}

#[test]
fn no_edges_at_all() {
    check("bag", &graph(|_| vec![]));
}

#[test]
fn many_branches_that_do_not_fold() {
    // Branches of two steps, all of which meet in the last: twins are only few.
    check(
        "branches",
        &graph(|place| match place {
            0 => vec![],
            _ if place == STEPS - 1 => (1..place).filter(|before| before % 2 == 0).collect(),
            _ if place % 2 == 1 => vec![0],
            _ => vec![place - 1],
        }),
    );
}

#[test]
fn a_mesh() {
    // A thousand stages of a hundred steps, each after three of the stage before.
    check(
        "mesh",
        &graph(|place| match place {
            0..100 => vec![],
            _ => {
                let (stage, column) = (place / 100 - 1, place % 100);
                [0, 1, 7]
                    .map(|shift| stage * 100 + (column + shift) % 100)
                    .to_vec()
            }
        }),
    );
}

#[test]
fn scattered_edges() {
    check(
        "scattered",
        &graph(|place| match place {
            0 => vec![],
            _ => vec![place.wrapping_mul(2_654_435_761) % place, place / 2],
        }),
    );
}
