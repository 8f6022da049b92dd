//! What a server acknowledged, and what of it is missing when it is read back.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Things by a name such as `task 12`, as a server shows them.
pub(crate) type Shown = HashMap<String, Value>;

/// Something that was acknowledged.
struct Fact {
    /// What it is about.
    thing: String,
    /// The members that it shows since then; null when it is gone.
    shows: Value,
    /// The position that came with the answer.
    position: u64,
}

/// All that was acknowledged, and what is needed to ask for it.
#[derive(Default)]
pub(crate) struct Told {
    facts: Vec<Fact>,
    /// Submissions with a dedup key, to be repeated.
    pub(crate) keyed: Vec<Value>,
    /// Texts of tokens, by their ids.
    pub(crate) secrets: Vec<(String, String)>,
    /// Arrays whose elements are listed apart.
    pub(crate) arrays: Vec<String>,
    /// Runs whose steps are looked at.
    pub(crate) runs: Vec<String>,
}

/// What is missing of it.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    /// It was known to have been synced.
    pub(crate) below_witness: Vec<String>,
    pub(crate) above_witness: usize,
}

impl Told {
    pub(crate) fn add(&mut self, thing: String, shows: Value, position: u64) {
        self.facts.push(Fact {
            thing,
            shows,
            position,
        });
    }

    /// Something is gone since: what was said of it before counts no more.
    pub(crate) fn gone(&mut self, thing: &str, position: u64) {
        self.facts.retain(|fact| fact.thing != thing);
        self.add(thing.to_owned(), Value::Null, position);
    }

    /// Whether something was acknowledged of it.
    pub(crate) fn knows(&self, thing: &str) -> bool {
        self.facts.iter().any(|fact| fact.thing == thing)
    }

    /// Compares with what a server shows now; what is at or below `witnessed` must be there.
    pub(crate) fn missing(&self, shown: &Shown, witnessed: u64) -> Missing {
        let mut missing = Missing::default();
        for fact in &self.facts {
            let found = shown.get(&fact.thing).unwrap_or(&Value::Null);
            if has(found, &fact.shows) {
            } else if fact.position > witnessed {
                missing.above_witness += 1;
            } else {
                let Fact { thing, shows, .. } = fact;
                missing
                    .below_witness
                    .push(format!("{thing} is {found}, not {shows}"));
            }
        }
        missing
    }
}

/// Whether a document has these members; others are none of ours.
fn has(found: &Value, shows: &Value) -> bool {
    match (found, shows) {
        (Value::Object(found), Value::Object(shows)) => shows
            .iter()
            .all(|(name, value)| has(found.get(name).unwrap_or(&Value::Null), value)),
        _ => found == shows,
    }
}

/// The position that came with an answer.
pub(crate) fn position(answer: &Value) -> Result<u64> {
    answer["position"]
        .as_u64()
        .with_context(|| format!("no position in {answer}"))
}

/// An end of a task or an element.
pub(crate) fn end(state: &str, output: &Value) -> Value {
    json!({"state": state, "output": output})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_compared_and_nothing_else() {
        let mut told = Told::default();
        told.add("task 1".to_owned(), json!({"counts": {"failed": 1}}), 5);
        told.add("task 2".to_owned(), json!({}), 9);
        told.add("token t".to_owned(), json!({"role": "admin"}), 1);
        told.gone("token t", 3);
        let good = Shown::from([
            (
                "task 1".to_owned(),
                json!({"counts": {"failed": 1, "queued": 0}, "id": "1"}),
            ),
            ("task 2".to_owned(), json!({"id": "2"})),
        ]);
        let missing = told.missing(&good, 9);
        assert_eq!((missing.below_witness.len(), missing.above_witness), (0, 0));
        let bad = Shown::from([("token t".to_owned(), json!({"role": "admin"}))]);
        let missing = told.missing(&bad, 5);
        assert_eq!((missing.below_witness.len(), missing.above_witness), (2, 1));
    }
}
