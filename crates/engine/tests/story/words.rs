//! What the engine says, in plain English.

use std::collections::BTreeMap;

use capataz_engine::{
    Answer, Attempt, Change, Effect, Ended, Event, GroupId, Ids, Key, Next, Obstacle, OnLost,
    Outcome, Phase, PodId, Reason, RunId, TaskId, Timestamp, WorkerId,
};

use super::run_words::RunNames;

/// Names of what the engine knows by number.
#[derive(Default)]
pub(crate) struct Names {
    groups: BTreeMap<GroupId, String>,
    pods: BTreeMap<PodId, String>,
    workers: BTreeMap<WorkerId, String>,
    runs: RunNames,
}

impl Names {
    /// The newest session of a name; one that never was when there is none.
    pub(crate) fn session(&self, name: &str) -> WorkerId {
        let sessions = self.workers.iter().rev();
        let found = sessions.into_iter().find(|(_, known)| *known == name);
        found.map_or(WorkerId(999), |(id, _)| *id)
    }

    pub(crate) fn worker(&self, id: WorkerId) -> &str {
        self.workers.get(&id).map_or("nobody", String::as_str)
    }

    pub(crate) fn event(&mut self, event: &Event) -> String {
        match &event.change {
            Change::GroupCreated { group, name } => {
                self.groups.insert(*group, name.clone());
            }
            Change::PodCreated { pod, name, .. } => {
                self.pods.insert(*pod, name.clone());
            }
            Change::Joined { worker, hello, .. } => {
                self.workers.insert(*worker, hello.name.clone());
            }
            _ => self.runs.note(event),
        }
        self.change(&event.change)
    }

    /// The last task of a step, or of an element such as `f.2`.
    pub(crate) fn task_of(&self, run: RunId, step: &str) -> Option<Key> {
        self.runs.task_of(run, step)
    }

    fn change(&self, change: &Change) -> String {
        match change {
            Change::EpochStarted { epoch, .. } => {
                format!("epoch {epoch} begins, all workers are detached")
            }
            Change::TermRenewed => "the term is renewed".to_owned(),
            Change::GroupCreated { name, .. } => format!("group {name} is new"),
            Change::GroupSet {
                group,
                max_running,
                paused,
            } => {
                let max = max_running.map(|max| match max {
                    Some(max) => format!("max_running {max}"),
                    None => "no max_running".to_owned(),
                });
                let paused = paused.map(|paused| pause(paused).to_owned());
                let what: Vec<String> = max.into_iter().chain(paused).collect();
                format!("group {}: {}", self.groups[group], what.join(", "))
            }
            Change::Submitted { first, tasks, .. } => match tasks.len() as u64 {
                0 => "the call is remembered".to_owned(),
                1 => format!("accepted task {first}"),
                n => format!("accepted tasks {first} to {}", TaskId(first.0 + n - 1)),
            },
            Change::Due { key } => format!("task {key} is due"),
            Change::Leased {
                key,
                attempt,
                worker,
            } => {
                format!(
                    "leased {} to {}",
                    token(*key, *attempt),
                    self.worker(*worker)
                )
            }
            Change::Started {
                key,
                attempt,
                since,
            } => {
                format!("{} started at {}", token(*key, *attempt), time(*since))
            }
            Change::AttemptEnded {
                key,
                attempt,
                outcome,
                next,
                ..
            } => {
                let end = format!("{} {}", token(*key, *attempt), ended(outcome));
                format!("{end}: {}", becomes(*next))
            }
            Change::LeaseReleased {
                key,
                attempt,
                ended,
            } => {
                let how = match ended {
                    Ended::Reported => "is gone",
                    Ended::Lost => "is lost",
                };
                format!("{} {how}, its task was over", token(*key, *attempt))
            }
            Change::Closed {
                key, phase, reason, ..
            } => {
                format!("task {key} is {}", state(*phase, *reason))
            }
            other => self.place(other),
        }
    }

    fn place(&self, change: &Change) -> String {
        match change {
            Change::Revived { key, rounds, .. } => {
                format!("task {key} lives again, round {}", rounds + 1)
            }
            Change::PodCreated { name, slots, .. } => format!("pod {name} is new, slots {slots}"),
            Change::PodSet { pod, settings } => {
                let slots = settings.slots.map(|slots| format!("slots {slots}"));
                let on_lost = settings.on_lost.map(|on_lost| match on_lost {
                    OnLost::Time => "on_lost time".to_owned(),
                    OnLost::Hold => "on_lost hold".to_owned(),
                });
                let paused = settings.paused.map(|paused| pause(paused).to_owned());
                let what: Vec<String> = slots.into_iter().chain(on_lost).chain(paused).collect();
                format!("pod {}: {}", self.pods[pod], what.join(", "))
            }
            Change::PodReleased { pod } => format!("pod {} is released", self.pods[pod]),
            Change::SlotReleased { pod, key, attempt } => {
                format!(
                    "pod {} frees the slot of {}",
                    self.pods[pod],
                    token(*key, *attempt)
                )
            }
            Change::PodForgotten { pod } => format!("pod {} is forgotten", self.pods[pod]),
            Change::Joined { worker, pod, .. } => {
                format!("{} joined pod {}", self.worker(*worker), self.pods[pod])
            }
            Change::Detached { worker } => format!("{} is detached", self.worker(*worker)),
            Change::Left { worker, lost } => {
                let how = if *lost { "is lost" } else { "left" };
                format!("{} {how}", self.worker(*worker))
            }
            Change::PollOpened { worker, max, .. } => {
                format!("{} polls for {max}", self.worker(*worker))
            }
            Change::PollClosed { worker } => format!("the poll of {} ends", self.worker(*worker)),
            Change::Announced { worker, keys } => {
                format!("{} has {} keys at hand", self.worker(*worker), keys.len())
            }
            Change::DrainSet { worker, on } => {
                let how = if *on { "drains" } else { "drains no more" };
                format!("{} {how}", self.worker(*worker))
            }
            Change::TokenCreated { id, token } => {
                let groups = token.role.groups().map(|groups| groups.join(", "));
                let of = groups.map(|groups| format!(" of {groups}"));
                let role = token.role.name();
                format!(
                    "token {id} of {} is a {role}{}",
                    token.name,
                    of.unwrap_or_default()
                )
            }
            Change::TokenRevoked { id } => format!("token {id} is revoked"),
            Change::Answered { .. } => "the call is remembered".to_owned(),
            Change::Acted { actor, events } => format!("{actor} did this ({events})"),
            other => {
                let said = self.runs.change(other);
                said.unwrap_or_else(|| panic!("no words for {other:?}"))
            }
        }
    }

    pub(crate) fn effect(&self, effect: &Effect) -> String {
        match effect {
            Effect::Dispatch {
                worker,
                key,
                attempt,
            } => {
                format!(
                    "! send {} to {}",
                    token(*key, *attempt),
                    self.worker(*worker)
                )
            }
            Effect::Stop {
                worker,
                key,
                attempt,
            } => {
                format!(
                    "! tell {} to stop {}",
                    self.worker(*worker),
                    token(*key, *attempt)
                )
            }
            Effect::Drain { worker } => {
                format!("! tell {} to finish and leave", self.worker(*worker))
            }
        }
    }
}

/// What a caller is told; empty when that is just "done".
pub(crate) fn answer(answer: &Answer) -> Option<String> {
    let tokens = |tokens: &[(Key, Attempt)]| {
        let texts: Vec<String> = tokens.iter().map(|(k, a)| token(*k, *a)).collect();
        texts.join(", ")
    };
    match answer {
        Answer::Done => None,
        Answer::Submitted(Ids::Range { first, count: 1 }) => Some(format!("task {first}")),
        Answer::Submitted(Ids::Range { first, count }) => {
            let last = TaskId(first.0 + u64::from(*count) - 1);
            Some(format!("tasks {first} to {last}"))
        }
        Answer::Submitted(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
            Some(format!("task {}", ids.join(", ")))
        }
        Answer::Joined { worker, stop } if stop.is_empty() => Some(format!("session {}", worker.0)),
        Answer::Joined { worker, stop } => {
            Some(format!("session {}, stop {}", worker.0, tokens(stop)))
        }
        Answer::TokenCreated(id) => Some(format!("token {id}")),
        Answer::Run(run) => Some(format!("run {run}")),
        Answer::Version(number) => Some(format!("version {number}")),
        Answer::Leases(leases) if leases.is_empty() => Some("nothing yet".to_owned()),
        Answer::Leases(leases) => Some(format!("again {}", tokens(leases))),
    }
}

pub(crate) fn token(key: Key, attempt: Attempt) -> String {
    format!("task {key} attempt {attempt}")
}

pub(crate) fn state(phase: Phase, reason: Reason) -> String {
    match reason {
        Reason::None => phase.name().to_owned(),
        reason => format!("{} ({})", phase.name(), reason.name()),
    }
}

/// Since the story began.
pub(crate) fn time(at: Timestamp) -> String {
    let micros = at.0 - super::stage::BEGIN.0;
    match micros % 1_000_000 {
        0 => format!("{}s", micros / 1_000_000),
        _ => format!("{}ms", micros / 1_000),
    }
}

pub(crate) fn obstacle(obstacle: &Obstacle) -> String {
    let tasks = |by: &[Key]| {
        let by: Vec<String> = by.iter().map(Key::to_string).collect();
        by.join(", ")
    };
    match obstacle {
        Obstacle::NotBefore(at) => format!("not before {}", time(*at)),
        Obstacle::RunPaused { run } => format!("its run {run} is paused"),
        Obstacle::GroupPaused => "its group is paused".to_owned(),
        Obstacle::GroupAtLimit { max_running } => format!("its group may run {max_running}"),
        Obstacle::NoWorker => "no worker serves its group".to_owned(),
        Obstacle::WorkerDetached { worker } => format!("{worker} is not connected"),
        Obstacle::WorkerDraining { worker } => format!("{worker} drains"),
        Obstacle::WorkerBusy { worker, running } => format!("{worker} is busy with {running}"),
        Obstacle::PodPaused { pod } => format!("pod {pod} is paused"),
        Obstacle::PodFull { pod, slots, by } => {
            format!("pod {pod} is full: slots {slots}, taken by {}", tasks(by))
        }
        Obstacle::PodHeld { pod, by } => format!("pod {pod} is held for {}", tasks(by)),
        Obstacle::Behind {
            more_urgent,
            earlier,
        } => {
            format!("{more_urgent} more urgent wait, {earlier} of its own priority before it")
        }
    }
}

fn pause(paused: bool) -> &'static str {
    if paused { "paused" } else { "resumed" }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed { reason, .. } => format!("failed ({})", reason.name()),
        Outcome::Again { .. } => "asks to come back".to_owned(),
        Outcome::Released => "was handed back".to_owned(),
        Outcome::Lost => "is lost".to_owned(),
    }
}

fn becomes(next: Next) -> String {
    match next {
        Next::Over { phase, reason } => format!("the task is {}", state(phase, reason)),
        Next::Queued => "the task is queued again".to_owned(),
        Next::Scheduled { until, reason } => {
            format!("the task comes back at {} ({})", time(until), reason.name())
        }
    }
}
