//! How soon a replay can be over at best.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::edges::order;

/// What no scheduler can beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    /// The longest chain of steps, each after the one before, in seconds.
    pub(crate) critical_path_s: f64,
    /// All steps one after the other, in seconds.
    pub(crate) work_s: f64,
}

impl Bound {
    /// The least time between the first start and the last end, in seconds, with so many steps at
    /// once. For a replay that computes, no more of them count than there are cores.
    pub(crate) fn makespan_s(&self, slots: usize) -> f64 {
        let shared = self.work_s / slots.max(1) as f64;
        self.critical_path_s.max(shared)
    }
}

/// The bound of a definition that [`super::wfformat`] made; none for any other.
pub(crate) fn bound(definition: &Value) -> Option<Bound> {
    let steps = definition["steps"].as_array()?;
    let ids = steps.iter().enumerate();
    let ids: BTreeMap<&str, usize> = ids
        .map(|(place, step)| Some((step["id"].as_str()?, place)))
        .collect::<Option<_>>()?;
    let after = steps.iter().map(|step| match &step["after"] {
        Value::Null => Some(BTreeSet::new()),
        names => {
            let names = names.as_array()?.iter();
            names.map(|name| ids.get(name.as_str()?).copied()).collect()
        }
    });
    let after: Vec<BTreeSet<usize>> = after.collect::<Option<_>>()?;
    let mut ends = vec![0.0_f64; steps.len()];
    let mut work_s = 0.0;
    for place in order(&after).ok()? {
        let takes = steps[place]["meta"]["replay_s"].as_f64()?;
        let begin = after[place]
            .iter()
            .map(|from| ends[*from])
            .fold(0.0, f64::max);
        ends[place] = begin + takes;
        work_s += takes;
    }
    Some(Bound {
        critical_path_s: ends.into_iter().fold(0.0, f64::max),
        work_s,
    })
}
