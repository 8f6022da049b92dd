//! Guesses at what was meant, and ways to show what came.

use serde_json::Value;

/// Below this similarity a guess confuses more than it helps.
const CLOSE: f64 = 0.75;
/// Names that are compared at most: a guess is not worth a scan over 100,000 steps.
const COMPARED: usize = 2_000;
/// Characters that are shown of what came: enough to recognise it.
const SHOWN: usize = 80;

/// `did you mean ...?` for the known name that is spelled most like an unknown one.
pub(crate) fn hint<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(unknown, known).map(|name| format!("did you mean `{name}`?"))
}

/// The known name that is spelled most like an unknown one, if any is close.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let alike = |name: &'a str| {
        // Two letters that changed places: the most frequent slip, and unlike in a short word.
        let slip = unknown.len() > 1 && name.len() > 2 && strsim::osa_distance(unknown, name) == 1;
        let likeness = strsim::jaro_winkler(unknown, name);
        (if slip { likeness.max(CLOSE) } else { likeness }, name)
    };
    let best = known
        .into_iter()
        .take(COMPARED)
        .map(alike)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= CLOSE)
        .map(|(_, name)| name)
}

/// A text, short enough to be shown.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A value as compact JSON, short enough to be shown.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        // Not written out only to be cut off.
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        other => shorten(&other.to_string()),
    }
}
