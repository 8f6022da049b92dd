//! The handle that everything else asks a namespace through.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use capataz_engine::{Command, Ids, Phase, State, Submission, TaskId};
use capataz_journal::Position;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::gauges::Gauges;
use super::owner_thread::Message;
use super::tokens::Tokens;
use crate::feed::Feed;
use crate::owner::{CallError, Called, EndsCall, Input, LeasedTask, PollCall, Token};
use crate::store::Reader;

/// Bytes of submissions that may be on their way at once: what is over waits for its turn.
pub(super) const ADMITTED_BYTES: usize = 64 << 20;
/// Submissions cost at least this much of it, so that their number is bounded too.
const ADMITTED_LEAST: usize = 1 << 10;
/// Lag of the store from which on submits are slowed.
const SLOW_FROM: u64 = 64 << 20;
/// How long a submit of [`SLOW_BYTES`] or more is held back for the store at the most; a smaller one
/// for its share of it, so that whoever brings a task is not slowed like who brings millions.
const SLOW_FOR: Duration = Duration::from_secs(2);
/// What counts as a large submit: a quarter of the largest request.
const SLOW_BYTES: usize = 1 << 20;

/// One namespace. Cheap to clone.
#[derive(Clone)]
pub struct Namespace {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) sender: Sender<Message>,
    pub(super) admission: Arc<Semaphore>,
    pub(super) projected: watch::Receiver<Position>,
    pub(super) reader: Reader,
    pub(super) feed: Feed,
    pub(super) tokens: Tokens,
    pub(super) gauges: Arc<Gauges>,
    pub(super) logs: crate::store::LogStore,
}

/// A submission's share of what may be on its way at once.
pub(crate) struct Admission {
    _permit: OwnedSemaphorePermit,
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its figures.
    pub fn gauges(&self) -> &Gauges {
        &self.inner.gauges
    }

    /// Reads the store. Blocks: call it where blocking is allowed.
    pub fn store(&self) -> &Reader {
        &self.inner.reader
    }

    /// Logs of attempts, which are not journaled.
    pub fn logs(&self) -> &crate::store::LogStore {
        &self.inner.logs
    }

    /// What happens, as it becomes durable.
    pub fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// Who may ask, as it becomes durable.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// Carries out a command and waits until what it says is durable.
    ///
    /// # Errors
    ///
    /// [`CallError`]; `UnknownOutcome` when the namespace stopped meanwhile.
    pub async fn call(&self, command: Command) -> Result<Called, CallError> {
        self.ask(|reply| Input::Command(command, reply)).await
    }

    /// Waits while the store lags, in proportion to the submission's `bytes`, then until so much may
    /// be on its way. In this order: who waits for the store is not in the way of others.
    ///
    /// # Errors
    ///
    /// `NotLeading` when the namespace has stopped.
    pub(crate) async fn admit(&self, bytes: usize) -> Result<Admission, CallError> {
        let cost = bytes.clamp(ADMITTED_LEAST, ADMITTED_BYTES);
        if Gauges::get(&self.inner.gauges.lag_bytes) > SLOW_FROM {
            self.wait_for_store(held_back_for(cost)).await;
        }
        let admission = Arc::clone(&self.inner.admission);
        let permit = admission.acquire_many_owned(cost as u32).await;
        let permit = permit.map_err(|_| CallError::NotLeading)?;
        Ok(Admission { _permit: permit })
    }

    /// Accepts tasks that were admitted.
    ///
    /// # Errors
    ///
    /// As [`Namespace::call`].
    pub(crate) async fn submit_admitted(
        &self,
        submission: Submission,
        _admission: Admission,
    ) -> Result<(Ids, Position), CallError> {
        let called = self.call(Command::Submit(submission)).await?;
        match called.answer {
            capataz_engine::Answer::Submitted(ids) => Ok((ids, called.position)),
            _ => Err(CallError::UnknownOutcome),
        }
    }

    /// Accepts tasks of about `bytes`. Waits while too much is on its way or the store lags.
    ///
    /// # Errors
    ///
    /// As [`Namespace::call`].
    pub async fn submit(
        &self,
        submission: Submission,
        bytes: usize,
    ) -> Result<(Ids, Position), CallError> {
        let admission = self.admit(bytes).await?;
        self.submit_admitted(submission, admission).await
    }

    async fn wait_for_store(&self, patience: Duration) {
        let mut projected = self.inner.projected.clone();
        let caught_up = async {
            while Gauges::get(&self.inner.gauges.lag_bytes) > SLOW_FROM
                && projected.changed().await.is_ok()
            {}
        };
        // Held back for so long, the call goes on: over its hard bound the owner refuses it.
        let _ = tokio::time::timeout(patience, caught_up).await;
    }

    /// Reads the state, and returns once what was read is durable, with its position.
    ///
    /// # Errors
    ///
    /// `NotLeading` or `UnknownOutcome` when the namespace stops.
    pub async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<(T, Position), CallError> {
        self.ask(|reply| {
            Input::Query(Box::new(move |state, position| {
                let value = read(state);
                Box::new(move || reply(Ok((value, position))))
            }))
        })
        .await
    }

    /// Leases tasks to a REST worker.
    ///
    /// # Errors
    ///
    /// As [`Namespace::call`], and `Superseded`.
    pub async fn poll(
        &self,
        hello: capataz_engine::Hello,
        poll: u128,
        max: u32,
        wait: Duration,
    ) -> Result<Vec<LeasedTask>, CallError> {
        self.ask(|reply| {
            Input::Poll(PollCall {
                hello,
                poll,
                max,
                wait,
                reply,
            })
        })
        .await
    }

    /// Waits until these single tasks have ended, and says how, before the store does. `None` when
    /// one of them is none, is not known to the state or the time is over: then the store knows.
    ///
    /// # Errors
    ///
    /// As [`Namespace::call`].
    pub(crate) async fn ends(
        &self,
        tasks: Vec<TaskId>,
        patience: Duration,
    ) -> Result<Option<(Vec<Phase>, Position)>, CallError> {
        let ends = self.ask(|reply| {
            Input::AwaitEnds(EndsCall {
                tasks,
                patience,
                reply,
            })
        });
        let ended = tokio::time::timeout(patience, ends).await;
        ended.unwrap_or(Ok(None))
    }

    /// Renews a REST worker's lease.
    ///
    /// # Errors
    ///
    /// As [`Namespace::call`].
    pub async fn touch(&self, token: Token) -> Result<(), CallError> {
        self.ask(|reply| Input::Touch(token, reply)).await
    }

    /// Waits until the store shows everything below `position`; false when the time is over.
    pub async fn projected(&self, position: Position, patience: Duration) -> bool {
        let mut projected = self.inner.projected.clone();
        let reached = projected.wait_for(|reached| *reached >= position);
        matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
    }

    /// The store's position, as it changes.
    pub fn watch_projected(&self) -> watch::Receiver<Position> {
        self.inner.projected.clone()
    }

    /// Hands the owner something that nobody waits for.
    pub(crate) fn send(&self, input: Input) {
        // Fails only when the namespace has stopped: then nobody is left to act on it.
        let _ = self.inner.sender.send(Message::Input(input));
    }

    /// Tells the owner to stop when everything on its way is durable.
    pub(super) fn send_stop(&self) {
        // Fails when it has stopped already.
        let _ = self.inner.sender.send(Message::Stop);
    }

    fn ask<T: Send + 'static>(
        &self,
        input: impl FnOnce(crate::owner::Reply<T>) -> Input,
    ) -> impl Future<Output = Result<T, CallError>> + Send {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |result| {
            // The caller may have given up.
            let _ = sender.send(result);
        });
        let sent = self.inner.sender.send(Message::Input(input(reply)));
        async move {
            sent.map_err(|_| CallError::NotLeading)?;
            receiver.await.unwrap_or(Err(CallError::UnknownOutcome))
        }
    }
}

/// How long a submission of so many bytes waits for the store at the most.
fn held_back_for(bytes: usize) -> Duration {
    SLOW_FOR.mul_f64((bytes as f64 / SLOW_BYTES as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_task_is_not_held_back_like_a_batch() {
        assert!(held_back_for(ADMITTED_LEAST) < Duration::from_millis(3));
        assert_eq!(held_back_for(SLOW_BYTES), SLOW_FOR);
        assert_eq!(held_back_for(ADMITTED_BYTES), SLOW_FOR);
    }
}
