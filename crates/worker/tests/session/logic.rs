//! The logic on fake time: no socket, no sleep.

use std::time::Duration;

use capataz_api::problem::Code;
use capataz_api::proto::{self, Outcome as Wire, worker_frame::Frame};
use capataz_worker::session::{Call, LinkError, Logic, SessionError, SessionOptions, Status};
use capataz_worker::{AttemptId, Boottime, Finished, LogChunk, Outcome, Report, Stop, Stream};

use super::frames::{TTL, acknowledged, answer, drain, ends, refused, stop, token, welcome, work};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A session between a scripted master and a scripted executor.
struct Stage {
    logic: Logic,
    now: Boottime,
    calls: Vec<Call>,
    frames: Vec<Frame>,
}

impl Stage {
    fn new(concurrency: u32) -> Stage {
        let mut options = SessionOptions::new("w", "p", ["g"]);
        options.concurrency = concurrency;
        options.seed = 7;
        let now = Boottime::from_boot(Duration::from_secs(1_000));
        let logic = Logic::new(options, now);
        Stage {
            logic,
            now,
            calls: Vec::new(),
            frames: Vec::new(),
        }
    }

    fn joined(concurrency: u32) -> Stage {
        let mut stage = Stage::new(concurrency);
        stage.pass(Duration::ZERO);
        assert!(stage.hello().is_some());
        stage.hear(welcome(TTL, vec![]));
        stage
    }

    /// Takes the first hello that was called for.
    fn hello(&mut self) -> Option<proto::Hello> {
        let at = self.calls.iter().position(is_connect)?;
        hello_of(self.calls.remove(at))
    }

    fn collect(&mut self) {
        self.calls.extend(self.logic.take_calls());
        while self
            .logic
            .next_frame_at()
            .is_some_and(|due| due <= self.now)
        {
            match self.logic.next_frame(self.now) {
                Some(frame) => self.frames.push(frame.frame.expect("a frame")),
                None => break,
            }
        }
        self.calls.extend(self.logic.take_calls());
    }

    /// Lets time pass in the steps that the logic asks for.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let wakes = [self.logic.next_tick(), self.logic.next_frame_at()];
            let next = wakes
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            self.logic.tick(self.now);
            self.collect();
            if next.is_none() {
                break;
            }
        }
    }

    fn hear(&mut self, frame: proto::MasterFrame) {
        self.logic.received(frame, self.now);
        self.collect();
    }

    fn finish(&mut self, id: AttemptId, outcome: Outcome) {
        let finished = Box::new(Finished::bare(outcome));
        self.logic
            .reported(Report::Finished(id, finished), self.now);
        self.collect();
    }

    fn lose_connection(&mut self) {
        self.logic
            .disconnected(LinkError::Lost("cut".to_owned()), self.now);
        self.collect();
    }

    /// Reconnects; returns the hello.
    fn rejoin(&mut self, stop: Vec<proto::Token>) -> proto::Hello {
        let mut hello = None;
        while hello.is_none() {
            let due = self.logic.next_tick().expect("it wants to connect");
            self.pass(due.remaining(self.now));
            hello = self.hello();
        }
        self.hear(welcome(TTL, stop));
        hello.expect("a hello")
    }

    fn started(&mut self) -> Vec<AttemptId> {
        let mut ids = Vec::new();
        self.calls.retain(|call| match call {
            Call::Start(id, ..) => {
                ids.push(*id);
                false
            }
            _ => true,
        });
        ids
    }

    fn stopped(&mut self) -> Vec<(AttemptId, Stop)> {
        let mut stops = Vec::new();
        self.calls.retain(|call| match call {
            Call::Stop(id, stop) => {
                stops.push((*id, *stop));
                false
            }
            _ => true,
        });
        stops
    }

    fn ends(&mut self) -> Vec<(u64, Wire)> {
        let found = self.frames.iter().flat_map(ends).collect();
        self.frames
            .retain(|frame| !matches!(frame, Frame::Reports(_)));
        found
    }
}

fn is_connect(call: &Call) -> bool {
    matches!(call, Call::Connect(_))
}

fn hello_of(call: Call) -> Option<proto::Hello> {
    let Call::Connect(frame) = call else {
        return None;
    };
    match frame.frame {
        Some(Frame::Hello(hello)) => Some(hello),
        other => panic!("expected a hello, got {other:?}"),
    }
}

#[test]
fn an_attempt_runs_is_reported_once_and_forgotten_when_acknowledged() {
    let mut stage = Stage::joined(2);
    stage.hear(work([(1, "a"), (2, "b")]));
    let ids = stage.started();
    assert_eq!(ids.len(), 2);
    stage.finish(ids[0], Outcome::Succeeded);
    assert_eq!(
        stage.ends(),
        [(1, Wire::Succeeded)],
        "an idle connection takes it at once"
    );
    stage.finish(ids[1], Outcome::Again { after: SECOND });
    assert!(
        stage.ends().is_empty(),
        "it waits for company while one is unacknowledged"
    );
    stage.pass(2 * MS);
    assert_eq!(stage.ends(), [(2, Wire::Again)]);
    stage.hear(acknowledged([1, 2]));
    stage.lose_connection();
    assert!(stage.rejoin(vec![]).running.is_empty());
    assert!(stage.ends().is_empty());
}

#[test]
fn a_redelivered_attempt_is_ignored_while_it_runs_and_while_its_end_is_unacknowledged() {
    let mut stage = Stage::joined(2);
    stage.hear(work([(1, "a")]));
    let ids = stage.started();
    stage.hear(work([(1, "a")]));
    assert!(stage.started().is_empty(), "it runs");
    stage.finish(ids[0], Outcome::Succeeded);
    stage.hear(work([(1, "a")]));
    assert!(stage.started().is_empty(), "it has run");
    assert_eq!(stage.ends(), [(1, Wire::Succeeded)]);
}

#[test]
fn only_attempts_that_run_for_a_while_are_reported_as_started() {
    let mut stage = Stage::joined(2);
    stage.hear(work([(1, "short"), (2, "long")]));
    let ids = stage.started();
    stage.pass(5 * MS);
    stage.finish(ids[0], Outcome::Succeeded);
    stage.pass(10 * MS);
    let started: Vec<_> = stage
        .frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Reports(reports) => Some(&reports.started),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].token, Some(token(2)));
    assert!(started[0].ago_us >= 10_000);
}

#[test]
fn a_reconnect_carries_what_runs_and_sends_unacknowledged_ends_again() {
    let mut stage = Stage::joined(3);
    stage.hear(work([(1, ""), (2, ""), (3, "")]));
    let ids = stage.started();
    stage.finish(ids[0], Outcome::Succeeded);
    assert_eq!(stage.ends(), [(1, Wire::Succeeded)]);
    stage.lose_connection();
    stage.finish(ids[1], Outcome::Succeeded);
    let hello = stage.rejoin(vec![]);
    assert_eq!(hello.running, [token(1), token(2), token(3)]);
    assert_eq!(stage.ends(), [(1, Wire::Succeeded), (2, Wire::Succeeded)]);
    let extended = stage.calls.iter().any(|call| match call {
        Call::Extend(attempts, _) => *attempts == [ids[2]],
        _ => false,
    });
    assert!(extended, "the welcome renews the lease of what runs");
}

#[test]
fn what_the_master_does_not_know_is_killed_and_only_its_end_is_told() {
    let mut stage = Stage::joined(2);
    stage.hear(work([(1, ""), (2, "")]));
    let ids = stage.started();
    stage.finish(ids[1], Outcome::Succeeded);
    stage.ends();
    stage.lose_connection();
    stage.rejoin(vec![token(1), token(2)]);
    assert_eq!(stage.stopped(), [(ids[0], Stop::LeaseLost)]);
    assert_eq!(
        stage.ends(),
        [(2, Wire::Released)],
        "its result is not wanted any more"
    );
    stage.finish(ids[0], Outcome::LeaseLost);
    stage.pass(2 * MS);
    assert_eq!(stage.ends(), [(1, Wire::Released)]);
}

#[test]
fn a_cancelled_attempt_is_asked_first_and_one_that_waits_ends_without_having_run() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, ""), (2, "")]));
    let ids = stage.started();
    assert_eq!(
        ids.len(),
        1,
        "never more than it can run, whatever the master sends"
    );
    stage.hear(stop(1));
    assert!(matches!(stage.stopped()[..], [(id, Stop::Cancel { grace })]
        if id == ids[0] && !grace.is_zero()));
    stage.hear(stop(2));
    assert_eq!(stage.ends(), [(2, Wire::Released)]);
    stage.hear(stop(9));
    assert_eq!(stage.ends(), [(9, Wire::Released)], "nothing of it is here");
    stage.finish(ids[0], Outcome::Cancelled);
    stage.pass(2 * MS);
    assert_eq!(stage.ends(), [(1, Wire::Released)]);
}

#[test]
fn the_next_one_starts_when_a_slot_is_free() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, ""), (2, ""), (3, "")]));
    let ids = stage.started();
    assert_eq!(ids.len(), 1);
    let ends = stage.ends();
    assert_eq!(ends, [(3, Wire::Released)], "beyond twice its slots");
    stage.finish(ids[0], Outcome::Succeeded);
    assert_eq!(stage.started().len(), 1);
}

#[test]
fn the_lease_ends_when_heartbeats_are_not_answered() {
    let mut stage = Stage::joined(1);
    let joined = stage.now;
    stage.hear(work([(1, "")]));
    let lease = stage.calls.iter().find_map(|call| match call {
        Call::Start(_, _, lease) => Some(*lease),
        _ => None,
    });
    assert_eq!(lease, Some(joined + TTL));
    stage.pass(5 * SECOND);
    stage.pass(SECOND);
    stage.hear(answer(1));
    let extended = stage.calls.iter().find_map(|call| match call {
        Call::Extend(_, lease) => Some(*lease),
        _ => None,
    });
    assert_eq!(
        extended,
        Some(joined + 5 * SECOND + TTL),
        "counted from when it was sent"
    );
    // No more answers: a new connection is tried while the lease can still be saved.
    while !stage
        .calls
        .iter()
        .any(|call| matches!(call, Call::Disconnect))
    {
        stage.pass(SECOND / 10);
        assert!(stage.now < joined + 5 * SECOND + TTL, "the lease is over");
    }
    assert_eq!(stage.logic.status(), Status::Connecting);
}

#[test]
fn a_drained_worker_finishes_what_runs_gives_back_the_rest_and_says_goodbye() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, ""), (2, "")]));
    let ids = stage.started();
    stage.hear(drain());
    assert_eq!(stage.ends(), [(2, Wire::Released)]);
    stage.finish(ids[0], Outcome::Succeeded);
    stage.pass(2 * MS);
    assert_eq!(stage.ends(), [(1, Wire::Succeeded)]);
    assert!(
        !stage.frames.contains(&Frame::Goodbye(proto::Goodbye {})),
        "unacknowledged"
    );
    stage.hear(acknowledged([1]));
    assert_eq!(
        stage.frames.last(),
        Some(&Frame::Goodbye(proto::Goodbye {}))
    );
    stage.lose_connection();
    assert!(matches!(stage.logic.take_end(), Some(Ok(()))));
}

#[test]
fn a_drain_with_a_deadline_stops_what_runs_on() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, "")]));
    let ids = stage.started();
    stage.logic.drain(Some(2 * SECOND), stage.now);
    stage.hear(work([(2, "")]));
    assert!(stage.started().is_empty(), "nothing new");
    stage.pass(SECOND);
    assert!(stage.stopped().is_empty());
    stage.pass(SECOND);
    assert!(matches!(stage.stopped()[..], [(id, Stop::Cancel { .. })] if id == ids[0]));
    stage.finish(ids[0], Outcome::Cancelled);
    stage.hear(acknowledged([1]));
    stage.pass(MS);
    assert_eq!(stage.ends(), [(1, Wire::Released), (2, Wire::Released)]);
    assert_eq!(
        stage.frames.last(),
        Some(&Frame::Goodbye(proto::Goodbye {}))
    );
}

#[test]
fn an_idle_worker_without_a_master_ends_at_once() {
    let mut stage = Stage::new(1);
    stage.pass(Duration::ZERO);
    stage.lose_connection();
    stage.logic.drain(None, stage.now);
    assert!(matches!(stage.logic.take_end(), Some(Ok(()))));
}

#[test]
fn a_worker_with_results_gives_up_on_a_master_that_is_gone() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, "")]));
    let ids = stage.started();
    stage.lose_connection();
    stage.finish(ids[0], Outcome::Succeeded);
    stage.logic.drain(None, stage.now);
    assert!(stage.logic.take_end().is_none());
    stage.pass(30 * SECOND);
    assert!(matches!(stage.logic.take_end(), Some(Ok(()))));
}

#[test]
fn a_replaced_worker_kills_what_runs_and_ends() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, "")]));
    let ids = stage.started();
    stage.lose_connection();
    stage.pass(SECOND);
    stage.hear(refused(Code::WorkerReplaced));
    assert_eq!(stage.stopped(), [(ids[0], Stop::LeaseLost)]);
    assert!(stage.logic.take_end().is_none(), "something still runs");
    stage.finish(ids[0], Outcome::LeaseLost);
    assert!(matches!(
        stage.logic.take_end(),
        Some(Err(SessionError::Replaced { .. }))
    ));
}

#[test]
fn a_taken_name_is_tried_again_a_bad_token_is_not() {
    let mut stage = Stage::new(1);
    stage.pass(Duration::ZERO);
    stage.hear(refused(Code::WorkerNameTaken));
    assert!(stage.logic.take_end().is_none());
    stage.rejoin(vec![]);
    assert!(matches!(stage.logic.status(), Status::Joined { .. }));

    let mut stage = Stage::new(1);
    stage.pass(Duration::ZERO);
    stage.hear(refused(Code::Unauthorized));
    assert!(matches!(
        stage.logic.take_end(),
        Some(Err(SessionError::Unauthorized { .. }))
    ));
}

#[test]
fn logs_go_before_the_end_of_their_attempt() {
    let mut stage = Stage::joined(1);
    stage.hear(work([(1, "")]));
    let ids = stage.started();
    let chunk = LogChunk {
        stream: Stream::Stdout,
        offset: 0,
        bytes: "hello".into(),
    };
    stage.logic.reported(Report::Log(ids[0], chunk), stage.now);
    stage.finish(ids[0], Outcome::Succeeded);
    let kinds: Vec<_> = stage
        .frames
        .iter()
        .map(|frame| matches!(frame, Frame::Logs(_)))
        .collect();
    assert_eq!(kinds, [true, false]);
    assert_eq!(stage.ends(), [(1, Wire::Succeeded)]);
}
