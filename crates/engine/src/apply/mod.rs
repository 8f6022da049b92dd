//! Folds one event into the state. The same code runs live and in replay, so it never fails,
//! never refuses and never looks at anything but its arguments: an event that does not fit the
//! state (which a correct journal does not hold) changes what it can and leaves the rest.

mod leases;
mod runs;
mod steps;
mod tasks;
mod workers;

use crate::command::Ids;
use crate::event::{Change, Event};
use crate::id::GroupId;
use crate::limits;
use crate::state::{EntryKey, Group, LimitsInForce, State};
use crate::time::Timestamp;
use steps::StepTasks;

/// Applies one event.
pub fn apply(state: &mut State, event: &Event) {
    state.meta.last_at = state.meta.last_at.max(event.at);
    fold(state, event.at, &event.change);
    sweep(state);
    state.touch(EntryKey::Meta);
}

/// Which code folds which kind of event: a table, so it is as long as there are kinds.
fn fold(state: &mut State, at: Timestamp, change: &Change) {
    match change {
        Change::EpochStarted {
            epoch,
            writer,
            limits,
        } => state.start_epoch(*epoch, writer, *limits),
        Change::TermRenewed => {}
        Change::GroupCreated { group, name } => state.create_group(*group, name),
        Change::GroupSet {
            group,
            max_running,
            paused,
        } => {
            state.set_group(*group, *max_running, *paused);
        }
        Change::PodCreated { pod, name, slots } => state.create_pod(*pod, name, *slots, at),
        Change::PodSet { pod, settings } => state.set_pod(*pod, settings, at),
        Change::PodReleased { pod } => state.release_pod(*pod, at),
        Change::SlotReleased { pod, key, attempt } => {
            state.release_slot(*pod, (*key, *attempt), at);
        }
        Change::PodForgotten { pod } => state.forget_pod(*pod),
        Change::Submitted {
            first,
            request,
            policies,
            tasks,
        } => {
            state.submitted(at, *first, request.as_ref(), policies, tasks);
        }
        Change::Due { key } => state.due(*key),
        Change::Leased {
            key,
            attempt,
            worker,
        } => state.leased(at, *key, *attempt, *worker),
        Change::Started { key, attempt, .. } => state.started(*key, *attempt),
        Change::AttemptEnded {
            key,
            attempt,
            ended,
            outcome,
            next,
            ..
        } => {
            state.attempt_ended(at, (*key, *attempt), *ended, outcome, *next);
        }
        Change::LeaseReleased {
            key,
            attempt,
            ended,
        } => {
            state.end_lease(at, (*key, *attempt), *ended);
        }
        Change::Closed {
            key, phase, reason, ..
        } => state.closed(at, *key, *phase, *reason),
        Change::Revived { .. } => state.revived(change),
        Change::Joined {
            worker,
            pod,
            groups,
            hello,
        } => {
            state.joined(at, *worker, *pod, groups, hello);
        }
        Change::Detached { worker } => state.detach(*worker),
        Change::Left { worker, .. } => state.left(at, *worker),
        Change::PollOpened { worker, poll, max } => state.open_poll(*worker, *poll, *max),
        Change::PollClosed { worker } => state.close_poll(*worker),
        Change::Announced { worker, keys } => state.announced(*worker, keys),
        Change::DrainSet { worker, on } => state.set_drain(*worker, *on),
        Change::TokenCreated { id, token } => {
            state.tokens.insert(*id, token.clone());
            state.touch(EntryKey::Token(*id));
        }
        Change::TokenRevoked { id } => {
            state.tokens.remove(id);
            state.touch(EntryKey::Token(*id));
        }
        Change::Acted { .. } => {}
        Change::WorkflowCreated { workflow, name } => state.create_workflow(*workflow, name),
        Change::VersionStored {
            workflow,
            number,
            version,
        } => state.store_version(*workflow, *number, version),
        Change::VersionRegistered { workflow, number } => {
            state.register(*workflow, Some(*number));
        }
        Change::WorkflowRemoved { workflow } => state.register(*workflow, None),
        Change::HoldCleared { workflow } => state.clear_hold(*workflow),
        Change::HoldOver { workflow } => state.end_hold(*workflow),
        Change::RunStarted {
            run,
            workflow,
            version,
            request,
            new,
        } => state.start_run(at, *run, (*workflow, *version), request.as_ref(), new),
        Change::RunBegan { run } => state.begin_run(*run),
        Change::RunPaused { run, on } => state.pause_run(*run, *on),
        Change::RunCancelled { run, .. } => state.cancel_run(*run),
        Change::FanOpened {
            run,
            step,
            count,
            items,
        } => state.open_fan(*run, *step, *count, items),
        Change::StepStarted {
            run,
            step,
            element,
            first,
            policies,
            tasks,
        } => state.start_step(
            at,
            &StepTasks {
                run: *run,
                step: *step,
                element: *element,
                first: *first,
                policies,
                tasks,
            },
        ),
        Change::StepReturned {
            run,
            step,
            element,
            value,
        } => state.step_returned(*run, *step, *element, value),
        Change::StepDecided {
            run, step, outcome, ..
        } => state.decide_step(*run, *step, *outcome),
        Change::StepsAdded { run, version } => state.add_steps(*run, version),
        Change::RunReopened {
            run,
            workflow,
            archive,
            steps,
        } => state.reopen_run(*run, *workflow, archive.as_ref(), steps),
        Change::RunEnded { run, phase, .. } => state.end_run(at, *run, *phase),
        Change::Answered { request } => state.remember(at, *request, Ids::List(Vec::new())),
    }
}

/// Forgets a bounded number of dedup keys and answers whose time is over.
fn sweep(state: &mut State) {
    let now = state.meta.last_at;
    for _ in 0..limits::SWEEP_PER_EVENT {
        let Some((group, key)) = state.dedup.sweep(now) else {
            break;
        };
        state.touch(EntryKey::Dedup(group, key));
    }
    for _ in 0..limits::SWEEP_PER_EVENT {
        let max = state.meta.limits.max_request_ids;
        let Some(id) = state.requests.sweep(now, max) else {
            break;
        };
        state.touch(EntryKey::Request(id));
    }
}

impl State {
    fn start_epoch(&mut self, epoch: u64, writer: &str, limits: LimitsInForce) {
        self.meta.epoch = epoch;
        writer.clone_into(&mut self.meta.writer);
        self.meta.limits = limits;
        self.detach_all();
    }

    fn create_group(&mut self, id: GroupId, name: &str) {
        self.group_names.insert(name.to_owned(), id);
        self.groups.push(Group::new(name.to_owned()));
        self.touch(EntryKey::Group(id));
    }

    fn set_group(&mut self, id: GroupId, max: Option<Option<u32>>, paused: Option<bool>) {
        let Some(group) = self.groups.get_mut(id.0 as usize) else {
            return;
        };
        group.max_running = max.unwrap_or(group.max_running);
        group.paused = paused.unwrap_or(group.paused);
        self.refresh_group(id);
        self.touch(EntryKey::Group(id));
    }
}
