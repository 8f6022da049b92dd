//! How the documents of REST look to people. As JSON they are themselves.

mod explain;
mod groups;
mod journal;
mod pods;
mod runs;
mod stats;
mod submitted;
mod tasks;
mod tokens;
mod workers;
mod workflows;

pub(crate) use journal::{Cut, Inspected};
pub(crate) use runs::{EndedRun, StartedRuns};
pub(crate) use submitted::Done;
pub(crate) use tasks::shares;
pub(crate) use workflows::Registered;

use capataz_api::rest::Blob;
use capataz_api::{Span, Timestamp};

/// The most letters of a text in a column of its own.
const CELL_LETTERS: usize = 48;

/// A time as people read it, in UTC, to the second; empty when there is none.
fn at(time: Option<Timestamp>) -> String {
    let text = time.map(|time| time.to_string()).unwrap_or_default();
    text.get(..19)
        .map(|text| text.replace('T', " "))
        .unwrap_or_default()
}

/// The time from one moment to another, when both are there.
fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => took(Span(to.0.saturating_sub(from.0))),
        _ => String::new(),
    }
}

/// A duration to three digits or so.
fn took(span: Span) -> String {
    match span.0 {
        0..1_000 => format!("{}us", span.0),
        1_000..1_000_000 => format!("{:.1}ms", span.0 as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.1}s", span.as_secs_f64()),
        _ => Span(span.0 / 1_000_000 * 1_000_000).to_string(),
    }
}

/// The beginning of bytes that may be text.
fn excerpt(blob: Option<&Blob>) -> String {
    let Some(blob) = blob else {
        return String::new();
    };
    match blob.as_text() {
        Some(text) => shorten(text.trim_end()),
        None => format!("({} bytes)", blob.0.len()),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(CELL_LETTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn some(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn yes(is: bool, word: &str) -> String {
    if is { word.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_short() {
        assert_eq!(
            at(Some(Timestamp(1_709_164_800_000_001))),
            "2024-02-29 00:00:00"
        );
        let took: Vec<_> = [999, 1_500, 2_500_000, 90_500_000]
            .map(|us| took(Span(us)))
            .into();
        assert_eq!(took, ["999us", "1.5ms", "2.5s", "1m 30s"]);
        assert_eq!(between(Some(Timestamp(5)), None), "");
    }

    #[test]
    fn an_excerpt_is_text_or_a_number_of_bytes() {
        assert_eq!(excerpt(Some(&Blob::from("ok\n"))), "ok");
        assert_eq!(excerpt(Some(&Blob::from(&b"\xff\x00"[..]))), "(2 bytes)");
        let long = excerpt(Some(&Blob::from("é".repeat(100))));
        assert_eq!(long.chars().count(), CELL_LETTERS + 3);
        assert_eq!(excerpt(None), "");
    }
}
