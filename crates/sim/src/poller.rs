//! REST workers: they poll for attempts, repeat a poll that was not answered under its id, run what
//! they get in their own process, and keep each lease alive by itself. No guard stands behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Command, Hello, Outcome, Report, Span, Usage};
use capataz_server::owner::{CallError, Input, LeasedTask, PollCall, Token};
use prost::Message;

use crate::clock::{MS, NodeClock, SECOND, Time};
use crate::figures::Fault;
use crate::spoken::Spoken;
use crate::work::{Deed, Work};
use crate::world::{Happening, World};

/// How often such a worker looks after everything that it has.
const LOOK: Time = 100 * MS;
/// How long its polls wait for work.
const WAIT: Time = 5 * SECOND;
/// After so long without an answer it asks again.
const PATIENCE: Time = 2 * SECOND;

/// Where an attempt is.
#[derive(Clone, Debug)]
enum Stage {
    /// Its lease must be confirmed before it begins: the answer may have been on its way for long.
    Fresh,
    /// Nobody but this process can end it.
    Runs { ends_at: Time },
    /// It has ended, and the master must hear of it: a pod may hold its slot until then.
    Ended { aborted: bool },
}

/// An attempt.
#[derive(Clone, Debug)]
struct Attempt {
    work: Work,
    stage: Stage,
    /// Until when it may run, in the worker's monotonic time.
    lease: Duration,
    asked_at: Time,
    /// Its process stood still while it ran.
    stood_still: bool,
}

impl Attempt {
    fn end(&mut self, aborted: bool) {
        if !matches!(self.stage, Stage::Ended { .. }) {
            (self.stage, self.asked_at) = (Stage::Ended { aborted }, 0);
        }
    }
}

/// A REST worker.
#[derive(Debug)]
pub(crate) struct Poller {
    pub(crate) pod: usize,
    clock: NodeClock,
    /// Counts its processes: what was said to an earlier one is not heard.
    life: u64,
    pub(crate) paused_until: Time,
    /// It will stand still for so long as soon as it runs something.
    pub(crate) pause_next: Option<Time>,
    /// When it looks next: what was planned for another time is void.
    look_at: Time,
    /// The poll that is not answered yet, and when it was sent last.
    poll: Option<(u128, Time)>,
    attempts: BTreeMap<Token, Attempt>,
    /// Whatever it has been given: an answer may come twice.
    seen: BTreeSet<Token>,
}

/// What it asks for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Poll(u128),
    Touch(Token, Duration),
    Start(Token),
    Report(Token),
}

/// What it hears.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Leased(u128, Vec<(Token, Option<Bytes>)>),
    Touched(Token, Duration, bool),
    Reported(Token),
}

impl Poller {
    pub(crate) fn new(pod: usize, clock: NodeClock) -> Poller {
        Poller {
            pod,
            clock,
            life: 0,
            paused_until: 0,
            pause_next: None,
            look_at: 0,
            poll: None,
            attempts: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// What really runs in it; without those that stood still, unless they count too.
    pub(crate) fn running(&self, all: bool) -> impl Iterator<Item = Token> + '_ {
        let runs = move |attempt: &Attempt| {
            matches!(attempt.stage, Stage::Runs { .. }) && (all || !attempt.stood_still)
        };
        let attempts = self.attempts.iter();
        attempts
            .filter(move |(_, attempt)| runs(attempt))
            .map(|(token, _)| *token)
    }

    /// It stands still until then.
    pub(crate) fn pause(&mut self, until: Time) {
        self.paused_until = until;
        for attempt in self.attempts.values_mut() {
            attempt.stood_still = true;
        }
    }
}

impl World {
    /// It will look after everything then.
    pub(crate) fn plan_look(&mut self, index: usize, at: Time) {
        let poller = &mut self.pollers[index];
        poller.look_at = at;
        let life = poller.life;
        self.plan(at, Happening::Look(index, life));
    }

    /// It looks after its attempts, and asks for more.
    pub(crate) fn look(&mut self, index: usize, life: u64) {
        let poller = &mut self.pollers[index];
        if poller.life != life || poller.look_at != self.now {
            return;
        }
        let at = poller.paused_until.max(self.now + LOOK);
        let asleep = poller.paused_until > self.now;
        self.plan_look(index, at);
        if asleep {
            return;
        }
        let beat = self.options.lease_ttl / 3;
        let (now, mono) = (self.now, self.pollers[index].clock.mono(self.now));
        let mut asks = Vec::new();
        let poller = &mut self.pollers[index];
        for (token, attempt) in &mut poller.attempts {
            if let Stage::Runs { ends_at } = attempt.stage
                && (ends_at <= now || attempt.lease <= mono)
            {
                // What its lease does not cover it ends by itself.
                attempt.end(attempt.lease <= mono);
            }
            let pause = match attempt.stage {
                Stage::Ended { .. } => PATIENCE,
                Stage::Fresh | Stage::Runs { .. } => beat,
            };
            if attempt.asked_at == 0 || attempt.asked_at + pause <= now {
                attempt.asked_at = now;
                asks.push(match attempt.stage {
                    Stage::Ended { .. } => Ask::Report(*token),
                    Stage::Fresh | Stage::Runs { .. } => Ask::Touch(*token, mono),
                });
            }
        }
        let idle = poller.attempts.is_empty();
        match &mut poller.poll {
            Some((id, sent)) if *sent + WAIT + PATIENCE <= now => {
                *sent = now;
                asks.push(Ask::Poll(*id));
            }
            None if idle => {
                let id = u128::from(self.chance.next());
                self.pollers[index].poll = Some((id, now));
                asks.push(Ask::Poll(id));
            }
            _ => {}
        }
        for ask in asks {
            self.ask(index, ask);
        }
    }

    fn ask(&mut self, index: usize, ask: Ask) {
        if self.trouble() && self.chance.percent(self.options.loss) {
            return self.fault(Fault::LostCall, format_args!("r{index}: {ask:?}"));
        }
        let delay = self.chance.between(50, self.options.delay_max);
        let life = self.pollers[index].life;
        self.plan(self.now + delay, Happening::Asked(index, life, ask));
    }

    /// Its call has reached a master.
    pub(crate) fn asked(&mut self, index: usize, life: u64, ask: Ask) {
        let spoken = Arc::clone(&self.master.spoken);
        let say = move |reply| {
            let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
            spoken.push(Spoken::Poller(index, life, reply));
        };
        let stale = |error: &CallError| matches!(error, CallError::Rejected(_));
        let input = match ask {
            Ask::Poll(poll) => Input::Poll(PollCall {
                hello: self.poller_hello(index),
                poll,
                max: self.options.concurrency,
                wait: Duration::from_micros(WAIT),
                reply: Box::new(move |result| {
                    if let Ok(leased) = result {
                        let leased = leased.into_iter();
                        let tokens = leased.map(|LeasedTask { token, body }| (token, body));
                        say(Reply::Leased(poll, tokens.collect()));
                    }
                }),
            }),
            Ask::Touch(token, sent) => Input::Touch(
                token,
                Box::new(move |result| match result {
                    Ok(()) => say(Reply::Touched(token, sent, true)),
                    Err(error) if stale(&error) => say(Reply::Touched(token, sent, false)),
                    Err(_) => {}
                }),
            ),
            Ask::Start((key, attempt)) => {
                let ago = Span(0);
                let command = Command::Start { key, attempt, ago };
                Input::Command(command, Box::new(|_| {}))
            }
            Ask::Report(token) => {
                let Some(report) = self.poller_report(index, token) else {
                    return;
                };
                Input::Command(
                    Command::Report(report),
                    Box::new(move |result| match result {
                        Ok(_) => say(Reply::Reported(token)),
                        Err(error) if stale(&error) => say(Reply::Reported(token)),
                        Err(_) => {}
                    }),
                )
            }
        };
        self.input(input);
    }

    fn poller_hello(&self, index: usize) -> Hello {
        Hello {
            name: format!("r{index}"),
            // One for good: such a worker does not say when its process began.
            incarnation: index as u128,
            connection: 0,
            host: format!("rh{index}"),
            build: String::new(),
            pod: format!("p{}", self.pollers[index].pod),
            pod_slots: Some(self.options.slots),
            groups: (0..self.options.groups)
                .map(|group| format!("g{group}"))
                .collect(),
            concurrency: 0,
            polling: true,
            remember: 0,
            affinity: Vec::new(),
            running: Vec::new(),
        }
    }

    fn poller_report(&mut self, index: usize, (key, number): Token) -> Option<Report> {
        let attempt = self.pollers[index].attempts.get(&(key, number))?;
        let failed = |fatal| Outcome::Failed {
            reason: capataz_engine::Reason::Error,
            fatal,
        };
        let outcome = match attempt.work.deed {
            _ if matches!(attempt.stage, Stage::Ended { aborted: true }) => failed(false),
            Deed::Fail if number % 2 == 1 => failed(false),
            Deed::Fatal => failed(true),
            Deed::Again | Deed::AgainThenFail if number == 1 => Outcome::Again { after: Span(0) },
            Deed::AgainThenFail if number == 2 => failed(false),
            _ => Outcome::Succeeded,
        };
        let result = proto::AttemptResult {
            output: Some(Bytes::from(crate::work::output(key, number))),
            ..proto::AttemptResult::default()
        };
        Some(Report {
            key,
            attempt: number,
            outcome,
            output: result.encode_to_vec().into(),
            value: bytes::Bytes::new(),
            usage: Usage::default(),
        })
    }

    /// It hears an answer.
    pub(crate) fn poller_hears(&mut self, index: usize, life: u64, reply: Reply) {
        let poller = &mut self.pollers[index];
        if poller.life != life {
            return;
        }
        if poller.paused_until > self.now {
            let at = poller.paused_until;
            return self.plan(at, Happening::PollerHears(index, life, reply));
        }
        match reply {
            Reply::Leased(poll, leased) => self.takes_leases(index, poll, leased),
            Reply::Touched(token, _, false) => {
                // Stale: it stops at once, and says so.
                if let Some(attempt) = poller.attempts.get_mut(&token) {
                    attempt.end(true);
                }
            }
            Reply::Touched(token, sent, true) => self.confirmed_lease(index, token, sent),
            Reply::Reported(token) => {
                poller.attempts.remove(&token);
            }
        }
    }

    fn takes_leases(&mut self, index: usize, poll: u128, leased: Vec<(Token, Option<Bytes>)>) {
        if self.pollers[index]
            .poll
            .is_some_and(|(open, _)| open == poll)
        {
            self.pollers[index].poll = None;
        }
        for (token, body) in leased {
            let body = body.or_else(|| self.ledger.body(token.0.task().0).cloned());
            let spec = body.and_then(|body| proto::TaskSpec::decode(body).ok());
            let work = spec.and_then(|spec| Work::parse(&spec.payload?));
            let Some(work) = work else {
                return self.violate(format!("r{index} was given nonsense: {token:?}"));
            };
            let poller = &mut self.pollers[index];
            if poller.seen.insert(token) {
                let attempt = Attempt {
                    work,
                    stage: Stage::Fresh,
                    lease: Duration::ZERO,
                    asked_at: 0,
                    stood_still: false,
                };
                poller.attempts.insert(token, attempt);
            }
        }
        self.plan_look(index, self.now);
    }

    fn confirmed_lease(&mut self, index: usize, token: Token, sent: Duration) {
        let (now, ttl) = (self.now, Duration::from_micros(self.options.lease_ttl));
        let poller = &mut self.pollers[index];
        let mono = poller.clock.mono(now);
        let pod = poller.pod;
        let Some(attempt) = poller.attempts.get_mut(&token) else {
            return;
        };
        attempt.lease = attempt.lease.max(sent + ttl);
        if !matches!(attempt.stage, Stage::Fresh) || attempt.lease <= mono {
            return;
        }
        let ends_at = now + attempt.work.millis * MS;
        (attempt.stage, attempt.stood_still) = (Stage::Runs { ends_at }, false);
        attempt.asked_at = now;
        let poison = attempt.work.deed == Deed::Poison;
        self.figures.attempts += 1;
        self.say(|| format!("r{index} runs {}/{}", token.0, token.1));
        if let Some(pause) = self.pollers[index].pause_next.take() {
            self.pollers[index].pause(now + pause);
        }
        self.ask(index, Ask::Start(token));
        self.check_pod(pod);
        self.maybe_add_steps(token.0, token.1);
        if poison {
            self.fault(Fault::Poison, format_args!("r{index}"));
            self.kill_poller(index);
        }
    }

    /// Its process ends, and with it whatever it ran; the next one knows nothing.
    pub(crate) fn kill_poller(&mut self, index: usize) {
        let poller = &mut self.pollers[index];
        poller.life += 1;
        (poller.paused_until, poller.poll) = (0, None);
        poller.attempts.clear();
        let pause = self.chance.between(50 * MS, 3 * SECOND);
        self.plan_look(index, self.now + pause);
    }
}
