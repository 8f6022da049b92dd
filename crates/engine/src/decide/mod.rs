//! Reads the state and says what happens next: one file per family of commands. Nothing in here
//! changes anything.

mod dispatch;
mod reopen;
mod report;
mod runs;
mod settings;
mod steps;
mod submit;
mod tasks;
mod tick;
mod tokens;
mod workers;
mod workflows;

use crate::command::{Answer, Command, Decision, Request};
use crate::event::{Change, Event};
use crate::planted::{Bug, planted};
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;

/// Decides one command.
///
/// `now` is the leader's time: at least [`State::last_at`], or it counts as that.
///
/// # Errors
///
/// A [`Rejection`] when the rules refuse the command; then nothing is to be changed.
pub fn decide(state: &State, now: Timestamp, command: Command) -> Result<Decision, Rejection> {
    let now = now.max(state.last_at());
    match command {
        Command::StartEpoch {
            epoch,
            writer,
            limits,
        } => {
            let current = state.epoch();
            if epoch <= current {
                return Err(Rejection::StaleEpoch {
                    current,
                    got: epoch,
                });
            }
            Ok(done(
                now,
                [Change::EpochStarted {
                    epoch,
                    writer,
                    limits,
                }],
            ))
        }
        Command::RenewTerm => Ok(done(now, [Change::TermRenewed])),
        Command::Submit(submission) => submit::submit(state, now, submission),
        Command::SubmitBeside { by, submission } => submit::beside(state, now, by, submission),
        Command::Cancel { key, note } => tasks::cancel(state, now, key, note),
        Command::Retry(revival) => tasks::retry(state, now, revival),
        Command::Join(hello) => workers::join(state, now, hello),
        Command::Detach { worker } => workers::detach(state, now, worker),
        Command::Leave { worker } => workers::leave(state, now, worker),
        Command::LoseWorker { worker } => workers::lose(state, now, worker),
        Command::LoseLease { key, attempt } => report::lose(state, now, key, attempt),
        Command::Poll { worker, poll, max } => workers::poll(state, now, worker, poll, max),
        Command::EndPoll { worker, poll } => workers::end_poll(state, now, worker, poll),
        Command::Announce { worker, keys } => workers::announce(state, now, worker, keys),
        Command::Start { key, attempt, ago } => report::start(state, now, key, attempt, ago),
        Command::Report(report) => report::report(state, now, report),
        Command::SetGroup {
            group,
            max_running,
            paused,
        } => settings::set_group(state, now, group, max_running, paused),
        Command::SetPod { pod, settings } => settings::set_pod(state, now, pod, settings),
        Command::ReleasePod { pod } => settings::release_pod(state, now, pod),
        Command::Drain { worker, on } => workers::drain(state, now, worker, on),
        Command::CreateToken(token) => tokens::create(state, now, token),
        Command::RevokeToken { id } => tokens::revoke(state, now, id),
        Command::Once { request, command } => once(state, now, request, *command),
        Command::By { actor, command } => by(state, now, actor, *command),
        Command::PutWorkflow { name, version } => workflows::put(state, now, name, *version),
        Command::RemoveWorkflow { name } => workflows::remove(state, now, name),
        Command::ClearHold { name } => workflows::clear(state, now, name),
        Command::StartRun(start) => runs::start(state, now, *start),
        Command::PauseRun { run, on } => runs::pause(state, now, run, on),
        Command::CancelRun { run, note } => runs::cancel(state, now, run, note),
        Command::Reopen(reopening) => reopen::reopen(state, now, reopening),
        Command::ExtendRun { run, by, version } => runs::extend(state, now, run, by, *version),
        Command::AdvanceWorkflow { workflow } => Ok(workflows::advance(state, now, workflow)),
        Command::AdvanceRun { run } => runs::advance(state, now, run),
        Command::BeginStep { run, step, begin } => steps::begin(state, now, run, step, begin),
        Command::EndRun { run, closing } => runs::end(state, now, run, closing),
        Command::Tick => Ok(done(now, tick::tick(state, now))),
        Command::Dispatch => Ok(done(now, dispatch::next_lease(state))),
    }
}

/// Carries a command out unless it was before. A refusal is not remembered: asked again, the command
/// is decided again.
fn once(
    state: &State,
    now: Timestamp,
    request: Request,
    command: Command,
) -> Result<Decision, Rejection> {
    if let Some(entry) = state.requests.get(request.id, now) {
        return match entry.content == request.content {
            true => Ok(Decision::default()),
            false => Err(Rejection::RequestConflict),
        };
    }
    let forgets =
        planted(Bug::AdditionNotJournaled) && matches!(command, Command::ExtendRun { .. });
    let mut decision = decide(state, now, command)?;
    let change = (!forgets).then_some(Change::Answered { request });
    let event = change.map(|change| Event { at: now, change });
    decision.events.extend(event);
    Ok(decision)
}

/// Names the caller on record, before what the command brings about.
fn by(
    state: &State,
    now: Timestamp,
    actor: String,
    command: Command,
) -> Result<Decision, Rejection> {
    let mut decision = decide(state, now, command)?;
    if !decision.events.is_empty() {
        let events = decision.events.len() as u32;
        let change = Change::Acted { actor, events };
        decision.events.insert(0, Event { at: now, change });
    }
    Ok(decision)
}

fn done(now: Timestamp, changes: impl IntoIterator<Item = Change>) -> Decision {
    answered(now, changes, Answer::Done)
}

fn answered(now: Timestamp, changes: impl IntoIterator<Item = Change>, answer: Answer) -> Decision {
    let events = changes
        .into_iter()
        .map(|change| Event { at: now, change })
        .collect();
    Decision { events, answer }
}

/// Refuses a number outside its bounds.
fn check_range(field: &str, min: u64, max: u64, got: u64) -> Result<(), Rejection> {
    if (min..=max).contains(&got) {
        return Ok(());
    }
    Err(Rejection::OutOfRange {
        field: field.to_owned(),
        min,
        max,
        got,
    })
}
