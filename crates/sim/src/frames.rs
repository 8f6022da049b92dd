//! Between frames on the wire and the owner's inputs and messages: what the gRPC service does.

use capataz_api::proto::{self, master_frame, worker_frame};
use capataz_server::convert;
use capataz_server::owner::{Input, LeasedTask, SessionMessage, Token};
use capataz_server::problem::ToProblem;

use crate::store::ModelStore;

/// Any further frame of a worker.
pub(crate) fn input(
    worker: capataz_engine::WorkerId,
    session: u64,
    frame: worker_frame::Frame,
) -> Option<Input> {
    use worker_frame::Frame;
    match frame {
        Frame::Heartbeat(beat) => Some(Input::Heartbeat {
            worker,
            session,
            sequence: beat.sequence,
        }),
        Frame::Reports(frame) => {
            let (started, ended) = convert::reports(frame);
            Some(Input::Reports {
                worker,
                started,
                ended,
            })
        }
        Frame::Drain(_) => {
            let drain = capataz_engine::Command::Drain { worker, on: true };
            Some(Input::Command(drain, Box::new(|_| {})))
        }
        Frame::Goodbye(_) => Some(Input::Gone {
            worker,
            session,
            goodbye: true,
        }),
        Frame::Announce(_) | Frame::Logs(_) | Frame::Hello(_) => None,
    }
}

/// What a worker is told, as a frame. Bodies that the owner does not have come from the store;
/// the tokens of those that it does not have either are the error.
pub(crate) fn frame(
    message: SessionMessage,
    lease_ttl: u64,
    store: &ModelStore,
) -> Result<proto::MasterFrame, Token> {
    use master_frame::Frame;
    let frame = match message {
        SessionMessage::Welcome { worker, stop } => Frame::Welcome(proto::Welcome {
            session: u64::from(worker.0),
            lease_ttl_us: lease_ttl,
            namespace: "default".to_owned(),
            stop: wire(stop),
        }),
        SessionMessage::Refused(error) => Frame::Refused(error.to_problem().into()),
        SessionMessage::Heartbeat(sequence) => Frame::Heartbeat(proto::HeartbeatAck { sequence }),
        SessionMessage::Work(tasks) => {
            let mut assignments = Vec::with_capacity(tasks.len());
            for LeasedTask { token, body } in tasks {
                let spec = body.or_else(|| store.body(token.0.task())).ok_or(token)?;
                assignments.push(proto::Assignment {
                    token: Some(convert::wire_token(token)),
                    spec,
                });
            }
            Frame::Work(proto::Work { assignments })
        }
        SessionMessage::Acknowledged(tokens) => Frame::Acknowledged(proto::Acknowledged {
            tokens: wire(tokens),
        }),
        SessionMessage::Stop(tokens) => Frame::Stop(proto::Stop {
            tokens: wire(tokens),
        }),
        SessionMessage::Drain => Frame::Drain(proto::Drain {}),
    };
    Ok(proto::MasterFrame { frame: Some(frame) })
}

fn wire(tokens: Vec<Token>) -> Vec<proto::Token> {
    tokens.into_iter().map(convert::wire_token).collect()
}
