//! Frames of the submit stream, made and taken apart.

use super::*;
use crate::problem::Code;

fn item(tasks: usize, bytes: usize) -> (Item, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    let tasks = vec![Bytes::from(vec![0; bytes]); tasks];
    (Item { tasks, reply }, answer)
}

fn pushed(frames: &mut Frames, tasks: usize, bytes: usize) -> oneshot::Receiver<Answer> {
    let (item, answer) = item(tasks, bytes);
    frames.push(item);
    answer
}

fn accepted(sequence: u64, first: u64, count: u32) -> proto::SubmitReply {
    let submitted = proto::Submitted {
        first,
        count,
        ids: Vec::new(),
        position: 9,
    };
    let result = Some(proto::submit_reply::Result::Submitted(submitted));
    proto::SubmitReply { sequence, result }
}

fn refused(sequence: u64, code: Code) -> proto::SubmitReply {
    let problem = Problem::new(code, "no").into();
    let result = Some(proto::submit_reply::Result::Problem(problem));
    proto::SubmitReply { sequence, result }
}

fn ids(answer: &mut oneshot::Receiver<Answer>) -> Vec<u64> {
    let (ids, _) = answer.try_recv().expect("an answer").expect("accepted");
    ids.numbers().collect()
}

#[test]
fn tasks_that_wait_travel_together_and_each_learns_its_own_id() {
    let mut frames = Frames::default();
    let mut answers: Vec<_> = (0..3).map(|_| pushed(&mut frames, 1, 10)).collect();
    let mut batch = pushed(&mut frames, 2, 10);
    let request = frames.next_request().expect("a request");
    assert_eq!(request.tasks.len(), 5);
    assert_eq!(request.request_id.len(), 16);
    assert!(frames.next_request().is_none());
    assert_eq!(
        frames.settle(accepted(request.sequence, 7, 5)),
        Settled::Done
    );
    for (n, answer) in answers.iter_mut().enumerate() {
        assert_eq!(ids(answer), [7 + n as u64]);
    }
    assert_eq!(ids(&mut batch), [10, 11]);
    assert!(frames.is_empty());
}

#[test]
fn requests_stay_within_their_limits() {
    let mut frames = Frames::default();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(pushed(&mut frames, 6_000, 10));
    }
    answers.push(pushed(&mut frames, 1, FRAME_BYTES / 2));
    answers.push(pushed(&mut frames, 1, FRAME_BYTES / 2));
    assert!(!frames.has_room());
    let sizes = std::iter::from_fn(|| frames.next_request()).map(|request| request.tasks.len());
    assert_eq!(sizes.collect::<Vec<_>>(), [6_000, 6_000, 6_001, 1]);
}

#[test]
fn only_so_many_requests_are_in_flight() {
    let mut frames = Frames::default();
    let mut answers = Vec::new();
    for _ in 0..WINDOW + 1 {
        answers.push(pushed(&mut frames, BATCH_TASKS, 1));
    }
    for _ in 0..WINDOW {
        assert!(frames.next_request().is_some());
    }
    assert!(frames.next_request().is_none());
    frames.settle(accepted(1, 1, BATCH_TASKS as u32));
    assert!(frames.next_request().is_some());
}

#[test]
fn a_refused_task_does_not_take_others_with_it() {
    let mut frames = Frames::default();
    let mut first = pushed(&mut frames, 1, 1);
    let mut second = pushed(&mut frames, 1, 1);
    let together = frames.next_request().expect("a request");
    frames.settle(refused(together.sequence, Code::DedupConflict));
    let one = frames.next_request().expect("the first alone");
    let other = frames.next_request().expect("the second alone");
    assert_ne!(one.request_id, other.request_id);
    assert_ne!(one.request_id, together.request_id);
    frames.settle(refused(one.sequence, Code::DedupConflict));
    frames.settle(accepted(other.sequence, 3, 1));
    let refusal = first.try_recv().expect("an answer").expect_err("refused");
    assert_eq!(refusal.code(), Some(Code::DedupConflict));
    assert_eq!(ids(&mut second), [3]);
}

#[test]
fn what_cannot_be_taken_now_is_asked_again_under_the_same_id() {
    let mut frames = Frames::default();
    let mut answer = pushed(&mut frames, 1, 1);
    let request = frames.next_request().expect("a request");
    let settled = frames.settle(refused(request.sequence, Code::Overloaded));
    assert!(matches!(settled, Settled::Again(_)));
    let again = frames.next_request().expect("the same request");
    assert_eq!(again.request_id, request.request_id);
    frames.settle(accepted(again.sequence, 1, 1));
    assert_eq!(ids(&mut answer), [1]);
}

#[test]
fn a_broken_connection_repeats_what_was_in_flight_in_order() {
    let mut frames = Frames::default();
    let _answers = [
        pushed(&mut frames, BATCH_TASKS, 1),
        pushed(&mut frames, BATCH_TASKS, 1),
    ];
    let sent: Vec<_> = std::iter::from_fn(|| frames.next_request()).collect();
    frames.requeue();
    assert!(!frames.awaits_replies());
    let again: Vec<_> = std::iter::from_fn(|| frames.next_request()).collect();
    let ids = |requests: &[proto::SubmitRequest]| -> Vec<Bytes> {
        requests.iter().map(|r| r.request_id.clone()).collect()
    };
    assert_eq!(ids(&sent), ids(&again));
}

#[test]
fn giving_up_tells_everyone() {
    let mut frames = Frames::default();
    let mut sent = pushed(&mut frames, 1, 1);
    frames.next_request();
    let mut waiting = pushed(&mut frames, 1, 1);
    let error = ClientError::NoAnswer {
        url: "u".into(),
        cause: "c".into(),
    };
    frames.fail_all(&error);
    for answer in [&mut sent, &mut waiting] {
        assert_eq!(answer.try_recv().expect("an answer"), Err(error.clone()));
    }
    assert!(frames.is_empty() && frames.has_room());
}
