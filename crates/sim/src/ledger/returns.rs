//! What steps return: kept with the end of the attempt that won and with nothing else, told to the
//! steps after it, and become the message and the result of their run.

use capataz_engine::{Attempt, Change, Key, Outcome, RunPhase};
use serde_json::{Value, json};

use super::run_facts::RunFacts;
use super::{Check, Ledger};
use crate::flow::RESULT_NUMBER;
use crate::work::output;

/// What a step has returned: its run, its number, its element, and the value.
pub(super) type Returning = (u64, usize, Option<u32>, Value);

impl Ledger {
    /// What belongs together is on record together.
    pub(super) fn check_pairs(&self, change: &Change) -> Check {
        let ends = matches!(
            change,
            Change::AttemptEnded {
                outcome: Outcome::Succeeded,
                ..
            }
        );
        if self.returning.is_some() && !ends {
            return Err("what a step returned is kept, and its attempt has not won".to_owned());
        }
        let ended = match change {
            Change::RunEnded { run, .. } => Some(run.0),
            _ => None,
        };
        if self.repeating.is_some() && self.repeating != ended {
            return Err("a run has a successor, and has not ended".to_owned());
        }
        Ok(())
    }

    /// What a step returns is kept with its end when another one reads it.
    pub(super) fn check_kept(&mut self, key: Key, attempt: Attempt, won: bool) -> Check {
        let returning = self.returning.take();
        let task = self.tasks.get(&key.task().0);
        let place = task.and_then(|task| task.step).filter(|_| won);
        let Some((id, step, element)) = place else {
            return match returning {
                Some(_) => Err("something is kept that no step has returned".to_owned()),
                None => Ok(()),
            };
        };
        let run = self.live_run(id)?;
        let said: Value =
            serde_json::from_str(&output(key, attempt)).map_err(|error| error.to_string())?;
        let expected = run
            .flow
            .is_read(step)
            .then(|| (id, step, element, said.clone()));
        if returning != expected {
            return Err(format!("{returning:?} is kept and not {expected:?}"));
        }
        if expected.is_some() {
            let returned = &mut run.steps[step].returned;
            returned.insert(element.unwrap_or(0), said);
        }
        Ok(())
    }
}

impl RunFacts {
    /// What a run returns that ends so.
    pub(super) fn result(&self, phase: RunPhase) -> Option<Value> {
        let reads = self.flow.result.as_ref();
        let reads = reads.filter(|_| phase == RunPhase::Succeeded)?;
        let mut result = json!({ RESULT_NUMBER: self.parameters["n"] });
        for step in reads {
            let returned = self.output(*step);
            result[format!("s{step}")] = returned.unwrap_or_else(|| json!("nothing"));
        }
        Some(result)
    }
}

/// A value as a part of a text: texts as they are, anything else as JSON.
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
