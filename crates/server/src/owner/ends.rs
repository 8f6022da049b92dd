//! Calls that wait for tasks to end. They hear of it as soon as it is durable, before the store
//! shows it: who submits one task after another waits for no projection.
//!
//! Only single tasks are watched here. Whoever waits for an array, an element, a group or a tag
//! looks into the store.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use capataz_engine::{Phase, TaskId};
use capataz_journal::Position;

use super::Reply;

/// Ends that are remembered, for calls that come when the end of their task is on its way or not
/// yet shown by the store: what a busy second brings about between two projections is more, and
/// then those calls look into the store.
const REMEMBERED: usize = 4_096;
/// Tasks that are watched at once at the most, so that memory is bounded.
const WATCHED: usize = 1 << 20;
/// Fewer calls than these are not worth looking through.
const SWEPT_FROM: usize = 64;

/// A call that waits for tasks to end.
pub struct EndsCall {
    /// For which.
    pub tasks: Vec<TaskId>,
    /// How long: nobody listens any more then.
    pub patience: Duration,
    /// Hears how they ended.
    pub reply: EndsReply,
}

/// How tasks ended, in no order, and the position at which they had; `None` when that must be
/// looked up in the store.
pub type EndsReply = Reply<Option<(Vec<Phase>, Position)>>;

struct Waiting {
    /// How each of its tasks ended; `None` for those that live.
    tasks: BTreeMap<TaskId, Option<Phase>>,
    left: usize,
    until: Duration,
    reply: EndsReply,
}

/// An answer that is due once the present turn is durable.
pub(crate) struct Answered {
    pub(crate) ended: Vec<Phase>,
    pub(crate) reply: EndsReply,
}

#[derive(Default)]
pub(crate) struct Ends {
    /// The last ends, and `None` for tasks that live again since.
    recent: VecDeque<(TaskId, Option<Phase>)>,
    /// The calls that wait for each task, or did before it ended.
    watched: HashMap<TaskId, Vec<u64>>,
    calls: BTreeMap<u64, Waiting>,
    last: u64,
    /// With so many calls, those whose time is over are looked for.
    sweep_at: usize,
}

impl Ends {
    /// Takes a call in; gives back what can be answered already. `lives` says whether a task lives
    /// and is a single one.
    pub(crate) fn begin(
        &mut self,
        call: EndsCall,
        now: Duration,
        lives: impl Fn(TaskId) -> bool,
    ) -> Option<(Option<Vec<Phase>>, EndsReply)> {
        self.sweep(now);
        let tasks: BTreeSet<TaskId> = call.tasks.into_iter().collect();
        let (live, over): (BTreeSet<TaskId>, BTreeSet<TaskId>) =
            tasks.into_iter().partition(|task| lives(*task));
        let Some(ended) = self.recall(over) else {
            return Some((None, call.reply));
        };
        if live.is_empty() {
            return Some((Some(ended.into_values().collect()), call.reply));
        }
        if self.watched.len() + live.len() + ended.len() > WATCHED {
            return Some((None, call.reply));
        }
        let left = live.len();
        let ended = ended.into_iter().map(|(task, phase)| (task, Some(phase)));
        let tasks: BTreeMap<TaskId, Option<Phase>> = ended
            .chain(live.into_iter().map(|task| (task, None)))
            .collect();
        self.last += 1;
        for task in tasks.keys() {
            self.watched.entry(*task).or_default().push(self.last);
        }
        let waiting = Waiting {
            tasks,
            left,
            until: now + call.patience,
            reply: call.reply,
        };
        self.calls.insert(self.last, waiting);
        None
    }

    /// How these ended, if all of them are remembered.
    fn recall(&self, mut missing: BTreeSet<TaskId>) -> Option<BTreeMap<TaskId, Phase>> {
        let mut ended = BTreeMap::new();
        for (task, phase) in self.recent.iter().rev() {
            if missing.is_empty() {
                break;
            }
            if missing.remove(task) {
                // It lived again, and how it ended then is not remembered.
                ended.insert(*task, (*phase)?);
            }
        }
        missing.is_empty().then_some(ended)
    }

    /// An attempt ended a single task.
    pub(crate) fn remember(&mut self, task: TaskId, phase: Phase) {
        self.note(task, Some(phase));
    }

    fn note(&mut self, task: TaskId, phase: Option<Phase>) {
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((task, phase));
    }

    /// A task ended: gives back the calls for which it was the last.
    pub(crate) fn ended(&mut self, task: TaskId, phase: Phase) -> Vec<Answered> {
        let mut answered = Vec::new();
        for number in self.watched.get(&task).cloned().unwrap_or_default() {
            let Some(call) = self.calls.get_mut(&number) else {
                continue;
            };
            if let Some(fate) = call.tasks.get_mut(&task)
                && fate.replace(phase).is_none()
            {
                call.left -= 1;
            }
            if call.left == 0
                && let Some(Waiting { tasks, reply, .. }) = self.calls.remove(&number)
            {
                self.unwatch(number, tasks.keys());
                let ended = tasks.into_values().flatten().collect();
                answered.push(Answered { ended, reply });
            }
        }
        answered
    }

    /// An ended task lives again: who waits for it and for others goes on waiting, and who asks
    /// from now on is not told how it ended before.
    pub(crate) fn lives_again(&mut self, task: TaskId) {
        self.note(task, None);
        for number in self.watched.get(&task).into_iter().flatten() {
            if let Some(call) = self.calls.get_mut(number)
                && let Some(fate) = call.tasks.get_mut(&task)
                && fate.take().is_some()
            {
                call.left += 1;
            }
        }
    }

    fn unwatch<'a>(&mut self, number: u64, tasks: impl Iterator<Item = &'a TaskId>) {
        for task in tasks {
            if let Some(numbers) = self.watched.get_mut(task) {
                numbers.retain(|known| *known != number);
                if numbers.is_empty() {
                    self.watched.remove(task);
                }
            }
        }
    }

    /// Forgets calls whose time is over, each time their number has doubled.
    fn sweep(&mut self, now: Duration) {
        if self.calls.len() < self.sweep_at.max(SWEPT_FROM) {
            return;
        }
        self.calls.retain(|_, call| call.until > now);
        let calls = &self.calls;
        self.watched.retain(|_, numbers| {
            numbers.retain(|number| calls.contains_key(number));
            !numbers.is_empty()
        });
        self.sweep_at = self.calls.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const NOON: Duration = Duration::from_secs(43_200);

    fn call(tasks: &[u64]) -> EndsCall {
        EndsCall {
            tasks: tasks.iter().map(|task| TaskId(*task)).collect(),
            patience: Duration::from_secs(1),
            reply: Box::new(|_| {}),
        }
    }

    fn phases(answered: Vec<Answered>) -> Vec<Vec<Phase>> {
        answered.into_iter().map(|answer| answer.ended).collect()
    }

    #[test]
    fn a_call_hears_when_the_last_of_its_tasks_has_ended() {
        let mut ends = Ends::default();
        assert!(ends.begin(call(&[1, 2, 2]), NOON, |_| true).is_none());
        assert!(ends.begin(call(&[2]), NOON, |_| true).is_none());
        assert!(ends.ended(TaskId(1), Phase::Succeeded).is_empty());
        assert!(ends.ended(TaskId(7), Phase::Failed).is_empty());
        let answered = phases(ends.ended(TaskId(2), Phase::Failed));
        assert_eq!(
            answered,
            [vec![Phase::Succeeded, Phase::Failed], vec![Phase::Failed]]
        );
        assert!(ends.ended(TaskId(2), Phase::Failed).is_empty());
        assert!(ends.calls.is_empty() && ends.watched.is_empty());
    }

    #[test]
    fn what_ended_a_moment_ago_is_remembered_and_what_is_not_known_is_not_guessed() {
        let mut ends = Ends::default();
        ends.remember(TaskId(1), Phase::Failed);
        ends.remember(TaskId(1), Phase::Succeeded);
        let answer = |ends: &mut Ends, tasks: &[u64]| {
            let answer = ends.begin(call(tasks), NOON, |_| false);
            answer.expect("nothing to wait for").0
        };
        assert_eq!(
            answer(&mut ends, &[1]),
            Some(vec![Phase::Succeeded]),
            "its last end"
        );
        assert_eq!(answer(&mut ends, &[1, 3]), None);
        for task in 10..10 + REMEMBERED as u64 {
            ends.remember(TaskId(task), Phase::Succeeded);
        }
        assert_eq!(answer(&mut ends, &[1]), None, "long ago");
        // A task that ended and lives again is waited for.
        assert!(ends.begin(call(&[10]), NOON, |_| true).is_none());
    }

    #[test]
    fn calls_that_nobody_listens_to_are_forgotten() {
        let mut ends = Ends::default();
        for task in 0..1_000 {
            let later = NOON + Duration::from_secs(task);
            assert!(ends.begin(call(&[task]), later, |_| true).is_none());
        }
        assert!(ends.calls.len() <= SWEPT_FROM, "{}", ends.calls.len());
        assert_eq!(ends.calls.len(), ends.watched.len());
        let heard = Arc::new(Mutex::new(0));
        let told = Arc::clone(&heard);
        let last = EndsCall {
            reply: Box::new(move |_| *told.lock().unwrap() += 1),
            ..call(&[5])
        };
        assert!(ends.begin(last, NOON, |_| true).is_none());
        for answer in ends.ended(TaskId(5), Phase::Succeeded) {
            (answer.reply)(Ok(None));
        }
        assert_eq!(*heard.lock().unwrap(), 1);
    }
}
