//! What one line says of the steps it stands for.

use crate::graph::Node;
use crate::picture::{Picture, PictureStep, StepState};

pub(crate) struct Summary<'a> {
    /// The step's id, or what the ids of all have in common.
    pub(crate) label: String,
    /// The state that matters most among them.
    pub(crate) state: StepState,
    /// The step, when it is only one.
    pub(crate) single: Option<&'a PictureStep>,
    pub(crate) counts: Counts,
    /// From the first start to the last end, or to now when not all have ended, in microseconds.
    pub(crate) ran_for: Option<u64>,
}

/// How many steps are in which state.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts([usize; StepState::ALL.len()]);

impl Counts {
    pub(crate) fn add(&mut self, state: StepState) {
        self.0[state as usize] += 1;
    }

    pub(crate) fn of(&self, state: StepState) -> usize {
        self.0[state as usize]
    }

    pub(crate) fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// `12 succeeded, 3 running`, without what is zero.
    pub(crate) fn spoken(&self) -> String {
        let states = StepState::ALL
            .into_iter()
            .filter(|state| self.of(*state) > 0);
        let parts: Vec<_> = states
            .map(|state| format!("{} {}", self.of(state), state.name()))
            .collect();
        parts.join(", ")
    }

    /// What a reader must know first: a failure, then what runs, then what could run.
    fn foremost(&self) -> StepState {
        let order = [
            StepState::Failed,
            StepState::Running,
            StepState::Queued,
            StepState::Scheduled,
            StepState::Blocked,
            StepState::Cancelled,
            StepState::Succeeded,
            StepState::Skipped,
        ];
        let present = order.into_iter().find(|state| self.of(*state) > 0);
        present.unwrap_or_default()
    }
}

impl<'a> Summary<'a> {
    pub(crate) fn of(picture: &'a Picture, node: &Node) -> Summary<'a> {
        let steps = || node.members.iter().map(|place| &picture.steps[*place]);
        let mut counts = Counts::default();
        steps().for_each(|step| counts.add(step.state));
        let started = steps().filter_map(|step| step.started_at).min();
        let ended = steps().filter_map(|step| {
            let began = step.started_at?;
            Some(began + step.ran_for(picture.now)?)
        });
        let ran_for = started
            .zip(ended.max())
            .map(|(from, to)| to.saturating_sub(from));
        let single = match node.members[..] {
            [place] => Some(&picture.steps[place]),
            _ => None,
        };
        let label = match single {
            Some(step) => step.id.clone(),
            None => shared_name(steps().map(|step| step.id.as_str())),
        };
        Summary {
            label,
            state: counts.foremost(),
            single,
            counts,
            ran_for,
        }
    }
}

/// The beginning that all ids share, and a star; the first id and a star when they share nothing.
fn shared_name<'a>(mut ids: impl Iterator<Item = &'a str>) -> String {
    let first = ids.next().unwrap_or_default();
    let mut shared = first;
    for id in ids {
        let pairs = shared.chars().zip(id.chars());
        let bytes = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8());
        shared = &shared[..bytes.sum()];
    }
    let stem = shared.trim_end_matches(|letter: char| letter.is_ascii_digit());
    match stem {
        "" => format!("{first}, *"),
        stem => format!("{stem}*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_to_what_they_share() {
        assert_eq!(shared_name(["blast_01", "blast_02"].into_iter()), "blast_*");
        assert_eq!(shared_name(["load", "test"].into_iter()), "load, *");
        assert_eq!(shared_name(["Müller", "Mühle"].into_iter()), "Mü*");
    }
}
