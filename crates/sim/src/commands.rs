//! What clients' calls ask of the owner.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use capataz_engine::{Command, OnLost, PodSettings, Rejection, TaskId};
use capataz_server::convert;
use capataz_server::owner::{CallError, Input};

use crate::client::{CallId, Kind, Told};
use crate::mutant::Mutant;
use crate::spoken::Spoken;
use crate::world::World;

impl World {
    /// What a call asks of the owner; `None` when it is dealt with already.
    pub(crate) fn command(&mut self, id: CallId) -> Option<Command> {
        let process = self.master.process.as_ref()?;
        let call = &self.clients[id.client].calls[id.call];
        let request = call.request();
        let once = |command| Command::Once {
            request,
            command: Box::new(command),
        };
        if let Some(error) = self.refused_blindly(&call.kind) {
            self.speak_answer(id, Err(error));
            return None;
        }
        let call = &self.clients[id.client].calls[id.call];
        let command = match &call.kind {
            Kind::Submit { bodies } => match convert::submission(&call.request, bodies.clone()) {
                Ok(submission) => Command::Submit(submission),
                Err(error) => {
                    self.violate(format!("a submit is refused: {error}"));
                    return None;
                }
            },
            Kind::Cancel { .. } if self.mutant == Some(Mutant::CancelAnsweredOnly) => {
                self.answer(id, Told::Done(Vec::new()));
                return None;
            }
            Kind::Cancel { task } => once(Command::Cancel {
                key: TaskId(*task).key(),
                note: String::new(),
            }),
            // The store must have seen the task end.
            Kind::Retry { .. } if self.master.store.position() < process.owner.tail() => {
                self.wait_for_store(id);
                return None;
            }
            Kind::Retry { key } => match self.master.store.revival(*key) {
                Some(revival) => once(Command::Retry(revival)),
                None => {
                    self.answer(id, Told::Refused);
                    return None;
                }
            },
            Kind::SetPod { pod, hold } => once(Command::SetPod {
                pod: format!("p{pod}"),
                settings: self.pod_settings(*hold),
            }),
            Kind::ReleasePod { pod } => once(Command::ReleasePod { pod: pod.clone() }),
            Kind::Count => {
                self.count(id);
                return None;
            }
            Kind::SetGroup {
                group,
                paused,
                max_running,
            } => once(Command::SetGroup {
                group: format!("g{group}"),
                max_running: Some(*max_running),
                paused: Some(*paused),
            }),
            Kind::Await { tasks } => {
                let tasks = tasks.clone();
                self.await_ends(id, &tasks);
                return None;
            }
            Kind::AddSteps(_) => {
                self.begin_adding(id, request);
                return None;
            }
            Kind::Register { .. }
            | Kind::StartRun(_)
            | Kind::CancelRun { .. }
            | Kind::PauseRun { .. } => self.run_command(&call.kind, request)?,
            Kind::Reopen { run, .. } => match self.reopening(&call.kind) {
                Some(reopening) => once(Command::Reopen(reopening)),
                None if self.master.store.position() < process.owner.tail() => {
                    self.wait_for_store(id);
                    return None;
                }
                None => {
                    let run = *run;
                    self.no_archive(id, run);
                    return None;
                }
            },
        };
        Some(command)
    }

    /// What a master says that refuses without a look at how things stand.
    fn refused_blindly(&self, kind: &Kind) -> Option<CallError> {
        match (self.mutant, kind) {
            (Some(Mutant::RetryRefusedBlindly), Kind::Retry { key }) => {
                Some(Rejection::StillLive { key: *key }.into())
            }
            (Some(Mutant::OverloadedBlindly), Kind::Submit { .. }) => Some(CallError::Overloaded {
                what: "nothing",
                retry_after: Duration::from_millis(1),
            }),
            _ => None,
        }
    }

    /// Asks how many tasks live, and for the position at which that is true.
    fn count(&mut self, id: CallId) {
        let spoken = Arc::clone(&self.master.spoken);
        let careless = self.mutant == Some(Mutant::LeasesCountedAsTasks);
        self.input(Input::Query(Box::new(move |state, position| {
            let more = if careless { state.live_leases() } else { 0 };
            let count = state.live_tasks() + more as u64;
            Box::new(move || {
                let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
                spoken.push(Spoken::Count(id, count, position));
            })
        })));
    }

    fn pod_settings(&self, hold: bool) -> PodSettings {
        let hold = hold && self.mutant != Some(Mutant::HoldIgnored);
        PodSettings {
            slots: Some(self.options.slots),
            on_lost: Some(if hold { OnLost::Hold } else { OnLost::Time }),
            paused: None,
        }
    }
}
