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
    left: usize,
    ended: Vec<Phase>,
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
    recent: VecDeque<(TaskId, Phase)>,
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
        let (live, over): (Vec<TaskId>, Vec<TaskId>) =
            tasks.into_iter().partition(|task| lives(*task));
        let Some(ended) = self.recall(&over) else {
            return Some((None, call.reply));
        };
        if live.is_empty() {
            return Some((Some(ended), call.reply));
        }
        if self.watched.len() + live.len() > WATCHED {
            return Some((None, call.reply));
        }
        self.last += 1;
        for task in &live {
            self.watched.entry(*task).or_default().push(self.last);
        }
        let waiting = Waiting {
            left: live.len(),
            ended,
            until: now + call.patience,
            reply: call.reply,
        };
        self.calls.insert(self.last, waiting);
        None
    }

    /// How these ended, if all of them are remembered.
    fn recall(&self, over: &[TaskId]) -> Option<Vec<Phase>> {
        let mut missing: BTreeSet<TaskId> = over.iter().copied().collect();
        let mut ended = Vec::with_capacity(over.len());
        for (task, phase) in self.recent.iter().rev() {
            if missing.is_empty() {
                break;
            }
            if missing.remove(task) {
                ended.push(*phase);
            }
        }
        missing.is_empty().then_some(ended)
    }

    /// An attempt ended a single task.
    pub(crate) fn remember(&mut self, task: TaskId, phase: Phase) {
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((task, phase));
    }

    /// A task ended: gives back the calls for which it was the last.
    pub(crate) fn ended(&mut self, task: TaskId, phase: Phase) -> Vec<Answered> {
        let mut answered = Vec::new();
        for number in self.watched.remove(&task).unwrap_or_default() {
            let Some(call) = self.calls.get_mut(&number) else {
                continue;
            };
            call.ended.push(phase);
            call.left -= 1;
            if call.left == 0
                && let Some(Waiting { ended, reply, .. }) = self.calls.remove(&number)
            {
                answered.push(Answered { ended, reply });
            }
        }
        answered
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
