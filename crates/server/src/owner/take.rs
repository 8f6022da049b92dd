//! What each input does.

use std::time::Duration;

use bytes::Bytes;
use capataz_engine::planted::{Bug, planted};
use capataz_engine::{Answer, Command, Hello, Outcome, Rejection, Report, Span, Usage, WorkerId};

use super::lease_clock::Holder;
use super::pending::Release;
use super::polls::Parked;
use super::{
    CallError, Called, EndsCall, Input, LeasedTask, Owner, PollCall, Reply, Session,
    SessionMessage, Token,
};

/// When a client that was refused for lack of room is to try again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long a polling worker without leases and calls stays in the list of workers.
const POLLING_IDLE: Duration = Duration::from_secs(60);

impl Owner {
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Command(command, reply) => self.command(command, reply),
            Input::Query(ask) => {
                // The answer may hold what is provisional: it waits like every other reply.
                let answer = ask(&self.state, self.tail_with_turn());
                if planted(Bug::CountBeforeSync) {
                    return answer();
                }
                self.releases.push(Release::Call(answer));
            }
            Input::Join(hello, session) => self.join(hello, session),
            Input::Reports {
                worker,
                started,
                ended,
            } => self.reports(worker, started, ended),
            Input::Heartbeat {
                worker,
                session,
                sequence,
            } => {
                self.heartbeat(worker, session, sequence);
            }
            Input::Gone {
                worker,
                session,
                goodbye,
            } => self.gone(worker, session, goodbye),
            Input::Poll(call) => self.poll(call),
            Input::AwaitEnds(call) => self.await_ends(call),
            Input::Touch(token, reply) => self.touch(token, reply),
            Input::Durable(position) => self.durable(position),
            Input::Projected(position) => self.projected(position),
            Input::JournalRoom(room) => self.journal_room = room,
            Input::StoreRoom(room) => self.store_room = room,
        }
    }

    /// The position after the record of this turn, if it makes one.
    fn tail_with_turn(&self) -> capataz_journal::Position {
        if self.has_events() {
            self.tail.advance(1)
        } else {
            self.tail
        }
    }

    fn command(&mut self, command: Command, reply: Reply<Called>) {
        let result = match self.check_room(&command) {
            Ok(()) => self.run(command).map_err(CallError::from),
            Err(error) => Err(error),
        };
        let position = self.tail_with_turn();
        let result = result.map(|answer| Called { answer, position });
        if result.is_err() && planted(Bug::RefusalBeforeSync) {
            return reply(result);
        }
        self.releases
            .push(Release::Call(Box::new(move || reply(result))));
    }

    /// Only new work is refused for lack of room: what ends work makes room.
    fn check_room(&self, command: &Command) -> Result<(), CallError> {
        if !brings_work(command) {
            return Ok(());
        }
        if !self.journal_room || !self.store_room {
            return Err(CallError::StorageFull);
        }
        if self.lag > self.options.lag_max {
            let what = "the store lags behind the journal";
            return Err(CallError::Overloaded {
                what,
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }

    fn join(&mut self, hello: Hello, session: Session) {
        let late = self.state.is_late(&hello) || self.greetings.is_late(&hello);
        if late && !planted(Bug::LateHelloHeard) {
            // Its worker has given that connection up; dropping the session ends it.
            tracing::debug!(worker = hello.name, "a hello came after a later one");
            return;
        }
        let (name, life) = (hello.name.clone(), hello.life());
        match self.run(Command::Join(hello)) {
            Ok(Answer::Joined { worker, stop }) => {
                self.greetings.remember(name, life);
                self.sessions.announce(worker, session.number);
                self.releases.push(Release::Attach(worker, session));
                let welcome = SessionMessage::Welcome { worker, stop };
                self.releases.push(Release::Tell(worker, welcome));
            }
            Ok(_) => {}
            Err(rejection) => {
                let refused = move || (session.send)(SessionMessage::Refused(rejection.into()));
                self.releases.push(Release::Call(Box::new(refused)));
            }
        }
    }

    fn reports(&mut self, worker: WorkerId, started: Vec<(Token, Span)>, ended: Vec<Report>) {
        let mut stale = Vec::new();
        for ((key, attempt), ago) in started {
            let foreign = self.is_of_another(worker, (key, attempt));
            if foreign || self.run(Command::Start { key, attempt, ago }).is_err() {
                stale.push((key, attempt));
            }
        }
        if !stale.is_empty() {
            self.releases
                .push(Release::Tell(worker, SessionMessage::Stop(stale)));
        }
        let mut acknowledged = Vec::with_capacity(ended.len());
        for report in ended {
            acknowledged.push((report.key, report.attempt));
            if self.is_of_another(worker, (report.key, report.attempt)) {
                tracing::warn!(task = %report.key, "a report on another worker's attempt");
                continue;
            }
            // A stale report changes nothing, and its sender is told to forget it all the same.
            if let Err(rejection) = self.run(Command::Report(report)) {
                tracing::debug!(%rejection, "a report was refused");
            }
        }
        if !acknowledged.is_empty() {
            let message = SessionMessage::Acknowledged(acknowledged);
            self.releases.push(Release::Tell(worker, message));
        }
    }

    /// Whether another worker holds the lease: who runs attempts of one group must not end those
    /// of others by guessing their numbers.
    fn is_of_another(&self, worker: WorkerId, (key, attempt): Token) -> bool {
        let holder = self.state.lease_holder(key, attempt);
        holder.is_some_and(|holder| holder != worker)
    }

    /// Renews a worker's leases. Out of its term the leader first proves that it still leads: the
    /// answer then waits for that record.
    fn heartbeat(&mut self, worker: WorkerId, session: u64, sequence: u64) {
        if !self.sessions.may_renew(worker, session) {
            return;
        }
        self.prove_term();
        let deadline = self.now.mono + self.options.lost_after();
        self.leases.arm(Holder::Worker(worker), deadline);
        self.releases
            .push(Release::Tell(worker, SessionMessage::Heartbeat(sequence)));
    }

    /// Makes sure that what is said in this turn waits for a record that was sent within a term. One
    /// that has been on its way for longer proves nothing: another may have led since.
    fn prove_term(&mut self) {
        if self.in_term() || self.has_events() || self.is_proving_term() {
            return;
        }
        let renewed = self.run(Command::RenewTerm);
        debug_assert!(renewed.is_ok(), "a renewal is never refused");
    }

    fn gone(&mut self, worker: WorkerId, session: u64, goodbye: bool) {
        if !self.sessions.detach(worker, session) {
            return;
        }
        if goodbye {
            self.release_what_is_on_its_way(worker);
        }
        let left = goodbye && self.run(Command::Leave { worker }).is_ok();
        if !left && let Err(rejection) = self.run(Command::Detach { worker }) {
            tracing::debug!(%rejection, "a session ended that was not known");
        }
    }

    /// A worker that says goodbye has nothing left: what it still holds was on its way to it.
    fn release_what_is_on_its_way(&mut self, worker: WorkerId) {
        let view = self.state.worker_view(worker);
        for (key, attempt) in view.map_or_else(Vec::new, |view| view.leases) {
            let report = Report {
                key,
                attempt,
                outcome: Outcome::Released,
                output: Bytes::new(),
                value: Bytes::new(),
                usage: Usage::default(),
            };
            if let Err(rejection) = self.run(Command::Report(report)) {
                tracing::debug!(%rejection, "a lease of a worker that left");
            }
        }
    }

    fn await_ends(&mut self, call: EndsCall) {
        let state = &self.state;
        let answer = self
            .ends
            .begin(call, self.now.mono, |task| state.is_live_single(task));
        let position = self.tail_with_turn();
        if let Some((ended, reply)) = answer {
            let ended = ended.map(|ended| (ended, position));
            // What has ended may not be durable yet: this waits like every other reply.
            self.releases
                .push(Release::Call(Box::new(move || reply(Ok(ended)))));
        }
    }

    pub(super) fn expire_leases(&mut self) {
        while let Some(holder) = self.leases.pop_expired(self.now.mono) {
            let result = match holder {
                Holder::Lease((key, attempt)) => self.run(Command::LoseLease { key, attempt }),
                Holder::Worker(worker) => self.expire_worker(worker),
            };
            match result {
                Ok(_) | Err(Rejection::StaleLease { .. } | Rejection::UnknownWorker { .. }) => {}
                Err(rejection) => tracing::warn!(%rejection, "a lease could not be expired"),
            }
        }
    }

    fn expire_worker(&mut self, worker: WorkerId) -> Result<Answer, Rejection> {
        let Some(view) = self.state.worker_view(worker) else {
            return Err(Rejection::UnknownWorker { worker: worker.0 });
        };
        if !view.polling {
            tracing::warn!(
                worker = view.name,
                leases = view.leases.len(),
                "a worker was lost"
            );
            return self.run(Command::LoseWorker { worker });
        }
        // Each of its leases has a deadline of its own.
        if view.leases.is_empty() && !self.polls.waits(worker) {
            return self.run(Command::Leave { worker });
        }
        self.leases
            .arm(Holder::Worker(worker), self.now.mono + POLLING_IDLE);
        Ok(Answer::Done)
    }

    fn touch(&mut self, token: Token, reply: Reply<()>) {
        let (key, attempt) = token;
        let current = self.leases.is_armed(Holder::Lease(token));
        let current = current && self.state.lease_is_current(key, attempt);
        let result = if current || planted(Bug::StaleTouchAccepted) {
            let deadline = self.now.mono + self.options.lost_after();
            self.leases.arm(Holder::Lease(token), deadline);
            self.prove_term();
            Ok(())
        } else {
            Err(CallError::Rejected(Rejection::StaleLease { key, attempt }))
        };
        self.releases
            .push(Release::Call(Box::new(move || reply(result))));
    }

    fn poll(&mut self, call: PollCall) {
        match self.begin_poll(&call) {
            Ok((worker, leases)) if leases.is_empty() => {
                let deadline = self.now.mono + call.wait;
                self.polls.park(
                    worker,
                    Parked {
                        poll: call.poll,
                        deadline,
                        reply: call.reply,
                    },
                );
            }
            Ok((_, leases)) => self.answer_poll(leases, call.reply),
            Err(rejection) => {
                let reply = call.reply;
                let refused = move || reply(Err(rejection.into()));
                self.releases.push(Release::Call(Box::new(refused)));
            }
        }
    }

    fn begin_poll(&mut self, call: &PollCall) -> Result<(WorkerId, Vec<Token>), Rejection> {
        let known = self.state.worker_id(&call.hello.name);
        let worker = match known.filter(|id| !self.differs(*id, &call.hello)) {
            Some(worker) => worker,
            None => match self.run(Command::Join(call.hello.clone()))? {
                Answer::Joined { worker, .. } => worker,
                _ => return Ok((WorkerId(0), Vec::new())),
            },
        };
        self.leases.arm(
            Holder::Worker(worker),
            self.now.mono + call.wait + POLLING_IDLE,
        );
        if known.is_some() && !call.hello.affinity.is_empty() {
            let keys = call.hello.affinity.clone();
            self.run(Command::Announce { worker, keys })?;
        }
        match self.run(Command::Poll {
            worker,
            poll: call.poll,
            max: call.max,
        })? {
            Answer::Leases(leases) => Ok((worker, leases)),
            _ => Ok((worker, Vec::new())),
        }
    }

    /// Whether a polling worker says something else of itself than it did before.
    fn differs(&self, worker: WorkerId, hello: &Hello) -> bool {
        self.state.worker_view(worker).is_none_or(|view| {
            !view.polling
                || view.pod != hello.pod
                || view.groups != hello.groups
                || view.host != hello.host
                || view.incarnation != hello.incarnation
        })
    }

    /// Answers polls that got something in this turn, and those that waited long enough.
    pub(super) fn answer_polls(&mut self) {
        if self.polls.is_empty() {
            return;
        }
        let over = self.polls.expired(self.now.mono);
        for (worker, poll) in self.polls.list() {
            let leases = self.state.poll_leases(worker, poll);
            if leases.is_empty() && !over.contains(&worker) {
                continue;
            }
            if let Err(rejection) = self.run(Command::EndPoll { worker, poll }) {
                tracing::debug!(%rejection, "a poll of a worker that is gone");
            }
            if let Some(parked) = self.polls.take(worker) {
                self.answer_poll(leases, parked.reply);
            }
        }
    }

    fn answer_poll(&mut self, leases: Vec<Token>, reply: Reply<Vec<LeasedTask>>) {
        let leased = leases
            .into_iter()
            .map(|token| LeasedTask {
                token,
                body: self.bodies.get(token.0.task()),
            })
            .collect();
        self.releases
            .push(Release::Call(Box::new(move || reply(Ok(leased)))));
    }
}

/// Whether a command brings new tasks, or runs that will.
fn brings_work(command: &Command) -> bool {
    match command {
        Command::Once { command, .. } | Command::By { command, .. } => brings_work(command),
        Command::Submit(_)
        | Command::SubmitBeside { .. }
        | Command::Retry(_)
        | Command::StartRun(_)
        | Command::Reopen(_)
        | Command::ExtendRun { .. }
        | Command::PutWorkflow { .. } => true,
        _ => false,
    }
}
