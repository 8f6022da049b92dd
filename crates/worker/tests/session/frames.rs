//! Short ways to write frames.

use std::time::Duration;

use capataz_api::proto::{self, master_frame, worker_frame};
use prost::Message;

/// Long enough for leases not to matter.
pub(crate) const TTL: Duration = Duration::from_secs(15);

pub(crate) fn token(task: u64) -> proto::Token {
    proto::Token {
        task,
        index: None,
        attempt: 1,
    }
}

pub(crate) fn welcome(ttl: Duration, stop: Vec<proto::Token>) -> proto::MasterFrame {
    frame(master_frame::Frame::Welcome(proto::Welcome {
        session: 1,
        lease_ttl_us: ttl.as_micros() as u64,
        namespace: "default".to_owned(),
        stop,
    }))
}

pub(crate) fn work(tasks: impl IntoIterator<Item = (u64, &'static str)>) -> proto::MasterFrame {
    let assignments = tasks.into_iter().map(|(task, payload)| {
        let spec = proto::TaskSpec {
            group: "g".to_owned(),
            payload: Some(payload.into()),
            ..proto::TaskSpec::default()
        };
        proto::Assignment {
            token: Some(token(task)),
            spec: spec.encode_to_vec().into(),
        }
    });
    frame(master_frame::Frame::Work(proto::Work {
        assignments: assignments.collect(),
    }))
}

pub(crate) fn acknowledged(tasks: impl IntoIterator<Item = u64>) -> proto::MasterFrame {
    let tokens = tasks.into_iter().map(token).collect();
    frame(master_frame::Frame::Acknowledged(proto::Acknowledged {
        tokens,
    }))
}

pub(crate) fn stop(task: u64) -> proto::MasterFrame {
    let tokens = vec![token(task)];
    frame(master_frame::Frame::Stop(proto::Stop { tokens }))
}

pub(crate) fn drain() -> proto::MasterFrame {
    frame(master_frame::Frame::Drain(proto::Drain {}))
}

pub(crate) fn answer(sequence: u64) -> proto::MasterFrame {
    frame(master_frame::Frame::Heartbeat(proto::HeartbeatAck {
        sequence,
    }))
}

pub(crate) fn refused(code: capataz_api::problem::Code) -> proto::MasterFrame {
    let problem = capataz_api::problem::Problem::new(code, "because");
    frame(master_frame::Frame::Refused(problem.into()))
}

fn frame(frame: master_frame::Frame) -> proto::MasterFrame {
    proto::MasterFrame { frame: Some(frame) }
}

/// The ends in a frame: task and outcome.
pub(crate) fn ends(frame: &worker_frame::Frame) -> Vec<(u64, proto::Outcome)> {
    let worker_frame::Frame::Reports(reports) = frame else {
        return Vec::new();
    };
    let end = |ended: &proto::Ended| (ended.token.expect("a token").task, ended.outcome());
    reports.ended.iter().map(end).collect()
}
