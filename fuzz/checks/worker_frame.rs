//! What a worker sends over gRPC: names are names, and results are within their limit.

use capataz_api::proto::{self, worker_frame::Frame};
use capataz_api::spec::check_name;
use capataz_server::convert;
use prost::Message;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(frame) = proto::WorkerFrame::decode(bytes) else {
        return;
    };
    assert_eq!(
        proto::WorkerFrame::decode(&frame.encode_to_vec()[..]),
        Ok(frame.clone())
    );
    match frame.frame {
        Some(Frame::Hello(hello)) => check_hello(hello),
        Some(Frame::Reports(reports)) => check_reports(reports),
        _ => {}
    }
}

fn check_hello(hello: proto::Hello) {
    let running = hello.running.clone();
    let Ok(hello) = convert::hello(hello) else {
        return;
    };
    for name in [&hello.name, &hello.host, &hello.pod] {
        assert_eq!(check_name("name", name), Ok(()));
    }
    for (token, wire) in hello.running.into_iter().zip(running) {
        let back = convert::wire_token(token);
        assert_eq!(back.attempt, wire.attempt);
        assert_eq!(convert::token(&back), token);
    }
}

fn check_reports(reports: proto::Reports) {
    let said = (reports.started.len(), reports.ended.len());
    let (started, ended) = convert::reports(reports);
    assert!(started.len() <= said.0 && ended.len() <= said.1);
    for report in ended {
        assert!(report.output.len() <= convert::RESULT_BYTES);
        // Nobody has looked into it yet; whoever shows the attempt will.
        if let Ok(result) = proto::AttemptResult::decode(&report.output[..]) {
            let _ = result.encode_to_vec();
        }
    }
}
