//! What holds for every picture.

use std::collections::BTreeSet;

use capataz_drawing::{Canvas, Edge, Picture, PictureStep, StepState, dag, dot, gantt};
use proptest::collection::vec;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::pictures;

const SIGNS: &str = "○◔◎●✔✘⊘⊖";

fn state() -> impl Strategy<Value = StepState> {
    (0..StepState::ALL.len()).prop_map(|place| StepState::ALL[place])
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Success), Just(Edge::Failure), Just(Edge::Any)]
}

/// Steps whose edges go anywhere, also in circles and to places that do not exist.
fn wild_picture() -> impl Strategy<Value = Picture> {
    let time = || proptest::option::of(0..200_u64);
    let after = vec((0..40_usize, edge()), 0..4);
    let words = (any::<String>(), any::<String>(), vec(any::<String>(), 0..3));
    let step = (words, state(), after, time(), time(), time());
    let step = step.prop_map(
        |((id, reason, waits_for), state, after, queued, started, finished)| PictureStep {
            id,
            state,
            reason,
            after,
            queued_at: queued,
            started_at: started,
            finished_at: finished,
            waits_for,
            ..PictureStep::default()
        },
    );
    vec(step, 0..30).prop_map(|steps| pictures::run("w\u{1f9ea}", 100, steps))
}

/// A graph without circles: each step comes after some of those before it.
fn graph(steps: usize) -> impl Strategy<Value = Picture> {
    let step = (vec(any::<prop::sample::Index>(), 0..4), state(), 0..3_usize);
    vec(step, 1..steps).prop_map(|steps| {
        let steps = steps.into_iter().enumerate();
        let steps = steps.map(|(place, (before, state, name))| {
            let before: BTreeSet<usize> = match place {
                0 => BTreeSet::new(),
                _ => before.iter().map(|index| index.index(place)).collect(),
            };
            let before: Vec<usize> = before.into_iter().collect();
            let id = format!("{}{place}", ["sort", "map", "join"][name]);
            PictureStep {
                state,
                ..pictures::step(&id, &before)
            }
        });
        pictures::run("graph", 100, steps.collect())
    })
}

/// Steps that a drawing shows or counts, below its heading.
fn accounted(drawing: &str, heading: usize) -> usize {
    let number = |words: &[&str], word: &str| {
        let place = words
            .iter()
            .position(|found| found.trim_end_matches(':') == word)?;
        words[place.checked_sub(1)?].parse::<usize>().ok()
    };
    let lines = drawing.lines().skip(heading).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        number(&words, "more")
            .or_else(|| number(&words, "steps"))
            .unwrap_or(1)
    });
    lines.sum()
}

/// The edges that a reader sees: lanes followed down to the sign at their end.
fn seen_edges(drawing: &str) -> BTreeSet<(String, String)> {
    let rows: Vec<Vec<char>> = drawing
        .lines()
        .skip(1)
        .map(|line| line.chars().collect())
        .collect();
    let at = |row: usize, column: usize| rows[row].get(2 * column).copied().unwrap_or(' ');
    let is_dash = |row: usize, gap: usize| rows[row].get(2 * gap + 1) == Some(&'─');
    let column_of = |row: usize| {
        let sign = rows[row].iter().position(|letter| SIGNS.contains(*letter));
        sign.expect("every line has a sign") / 2
    };
    let id_of = |row: usize| {
        let words: String = rows[row][2 * column_of(row) + 1..].iter().collect();
        let id = words
            .split_whitespace()
            .find(|word| word.starts_with(char::is_alphabetic));
        id.expect("every line has an id").to_owned()
    };
    let mut edges = BTreeSet::new();
    for row in 0..rows.len() {
        let own = column_of(row);
        let mut lanes = vec![own];
        lanes.extend((own + 1..).take_while(|column| is_dash(row, column - 1)));
        lanes.extend((0..own).rev().take_while(|column| is_dash(row, *column)));
        for lane in lanes {
            if lane != own && !"┼┤├┬╮╭".contains(at(row, lane)) {
                continue;
            }
            let mut below = row + 1;
            while below < rows.len() && "│┼┤├".contains(at(below, lane)) {
                below += 1;
            }
            if below < rows.len() && column_of(below) == lane {
                edges.insert((id_of(row), id_of(below)));
            }
        }
    }
    edges
}

/// Labels of a DOT file in their order, read as Graphviz reads them.
fn dot_labels(text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for line in text.lines().filter(|line| line.contains("fillcolor")) {
        let mut letters = line.split_once("label=\"").expect("a label").1.chars();
        let mut label = String::new();
        loop {
            match letters.next().expect("a label ends") {
                '"' => break,
                '\\' => match letters.next().expect("an escape is whole") {
                    'n' => label.push('\n'),
                    letter @ ('"' | '\\') => label.push(letter),
                    other => panic!("an escape that was not meant: {other:?}"),
                },
                '&' => {
                    let entity: String = letters.by_ref().take_while(|c| *c != ';').collect();
                    assert_eq!(entity, "amp");
                    label.push('&');
                }
                letter => label.push(letter),
            }
        }
        labels.push(label);
    }
    labels
}

proptest! {
    #[test]
    fn no_line_is_wider_and_no_drawing_higher_than_the_canvas(
        picture in wild_picture(),
        width in 0..120_usize,
        height in 0..40_usize,
        ascii in any::<bool>(),
    ) {
        let canvas = Canvas { ascii, ..Canvas::new(width, height) };
        for drawing in [dag(&picture, &canvas), gantt(&picture, &canvas)] {
            for line in drawing.lines() {
                prop_assert!(line.width() <= width, "{} columns: {line:?}", line.width());
            }
            prop_assert!(drawing.lines().count() <= height.max(5), "{drawing}");
        }
    }

    #[test]
    fn colours_change_nothing_but_colours(picture in graph(20)) {
        let canvas = Canvas::new(60, 20);
        let coloured = dag(&picture, &Canvas { colour: true, ..canvas });
        let mut plain = String::new();
        for part in coloured.split("\x1b[") {
            plain.push_str(match plain.is_empty() {
                true => part,
                false => part.split_once('m').expect("a colour ends").1,
            });
        }
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        let expected = dag(&picture, &canvas);
        prop_assert_eq!(trimmed, expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn every_step_is_shown_or_counted_once(picture in graph(80), height in 0..60_usize) {
        let canvas = Canvas::new(400, height);
        prop_assert_eq!(accounted(&dag(&picture, &canvas), 1), picture.steps.len());
        prop_assert_eq!(accounted(&gantt(&picture, &canvas), 2), picture.steps.len());
    }

    #[test]
    fn the_lanes_show_the_edges_and_no_others(picture in graph(25)) {
        let meant = picture.steps.iter().flat_map(|step| {
            let from = |(from, _): &(usize, Edge)| picture.steps[*from].id.clone();
            step.after.iter().map(move |edge| (from(edge), step.id.clone()))
        });
        let drawing = dag(&picture, &Canvas::new(400, 100));
        prop_assert_eq!(seen_edges(&drawing), meant.collect::<BTreeSet<_>>(), "\n{}", drawing);
    }

    #[test]
    fn graphviz_reads_the_ids_as_they_are(
        ids in vec("[^\\p{Cc}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{fe0f}]{0,12}|[\\\\\"&\n;<]{1,8}", 1..6),
    ) {
        let steps = ids.iter().map(|id| pictures::step(id, &[])).collect();
        let text = dot(&pictures::run("ids", 1, steps));
        prop_assert_eq!(dot_labels(&text), ids);
    }
}
