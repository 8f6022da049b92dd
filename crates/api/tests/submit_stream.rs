//! Submitting over a stream that breaks, refuses and comes back.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use capataz_api::client::{Client, ClientConfig};
use capataz_api::problem::{Code, Problem};
use capataz_api::proto::submit_reply::Result as Reply;
use capataz_api::proto::tasks_server::{Tasks, TasksServer};
use capataz_api::proto::{SubmitReply, SubmitRequest, Submitted, TaskSpec};
use prost::Message;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// A master that numbers tasks, remembers request ids, and has its moods.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    last: u64,
    known: HashMap<Vec<u8>, Submitted>,
    requests: usize,
    largest: usize,
    /// Every n-th request is accepted, but its stream breaks before the answer.
    break_every: Option<usize>,
    /// Every n-th request is not taken now.
    busy_every: Option<usize>,
}

impl Fake {
    /// The answer, or none when the stream is to break.
    fn take(&self, request: &SubmitRequest) -> Option<Reply> {
        let mut memory = self.0.lock().unwrap();
        memory.requests += 1;
        memory.largest = memory.largest.max(request.tasks.len());
        let nth = |every: Option<usize>| every.is_some_and(|n| memory.requests.is_multiple_of(n));
        if nth(memory.busy_every) {
            return Some(Reply::Problem(
                Problem::new(Code::Overloaded, "busy").into(),
            ));
        }
        let breaks = nth(memory.break_every);
        for (index, task) in request.tasks.iter().enumerate() {
            let task = TaskSpec::decode(task.clone()).unwrap();
            if task.dedup_key.as_deref() == Some("taken") {
                let field = format!("tasks[{index}].dedup_key");
                let problem = Problem::new(Code::DedupConflict, format!("{field} is in use"));
                return Some(Reply::Problem(problem.field(field).into()));
            }
        }
        let id = request.request_id.to_vec();
        let submitted = match memory.known.get(&id) {
            Some(submitted) => submitted.clone(),
            None => {
                let submitted = Submitted {
                    first: memory.last + 1,
                    count: request.tasks.len() as u32,
                    ids: Vec::new(),
                    position: memory.last + 1,
                };
                memory.last += request.tasks.len() as u64;
                memory.known.insert(id, submitted.clone());
                submitted
            }
        };
        (!breaks).then_some(Reply::Submitted(submitted))
    }
}

#[tonic::async_trait]
impl Tasks for Fake {
    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        Err(Status::unimplemented("the client streams"))
    }

    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<SubmitReply, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        if request.metadata().get("authorization").is_none() {
            return Err(Problem::new(Code::Unauthorized, "a token is needed").into());
        }
        let mut requests = request.into_inner();
        let fake = self.clone();
        let (replies, stream) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let Some(result) = fake.take(&request) else {
                    return;
                };
                let reply = SubmitReply {
                    sequence: request.sequence,
                    result: Some(result),
                };
                if replies.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn serve(memory: Memory, token: Option<&str>) -> (Client, Fake) {
    let fake = Fake(Arc::new(Mutex::new(memory)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ClientConfig {
        server: format!("http://{}", listener.local_addr().unwrap()),
        token: token.map(str::to_owned),
        ..ClientConfig::default()
    };
    let server = tonic::transport::Server::builder().add_service(TasksServer::new(fake.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (Client::new(&config).unwrap(), fake)
}

fn task(payload: usize) -> TaskSpec {
    TaskSpec {
        group: "g".to_owned(),
        payload: Some(vec![b'x'; payload].into()),
        ..TaskSpec::default()
    }
}

#[tokio::test]
async fn single_tasks_in_flight_travel_together() {
    let (client, fake) = serve(Memory::default(), Some("t")).await;
    let submits = (0..2_000).map(|_| {
        let submitter = client.submitter();
        tokio::spawn(async move { submitter.submit(task(10)).await.unwrap().id })
    });
    let mut ids = Vec::new();
    for submit in submits.collect::<Vec<_>>() {
        ids.push(submit.await.unwrap().parse::<u64>().unwrap());
    }
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=2_000));
    assert!(fake.0.lock().unwrap().requests < 1_000);
}

#[tokio::test]
async fn a_large_batch_is_split_and_keeps_its_order() {
    let (client, fake) = serve(Memory::default(), Some("t")).await;
    let accepted = client.submit_batch(vec![task(100); 25_000]).await.unwrap();
    assert!(accepted.ids.numbers().eq(1..=25_000));
    let memory = fake.0.lock().unwrap();
    assert_eq!((memory.requests, memory.largest), (3, 10_000));
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_by_broken_streams_and_refusals() {
    let memory = Memory {
        break_every: Some(3),
        busy_every: Some(4),
        ..Memory::default()
    };
    let (client, fake) = serve(memory, Some("t")).await;
    let accepted = client.submit_batch(vec![task(1); 60_000]).await.unwrap();
    let mut ids: Vec<_> = accepted.ids.numbers().collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=60_000));
    let memory = fake.0.lock().unwrap();
    assert_eq!(memory.last, 60_000, "tasks were accepted twice");
    assert!(memory.requests > 6, "nothing had to be repeated");
}

#[tokio::test]
async fn a_refusal_names_the_task_in_the_whole_submission() {
    let (client, _) = serve(Memory::default(), Some("t")).await;
    let mut tasks = vec![task(1); 10_005];
    tasks[10_002].dedup_key = Some("taken".to_owned());
    let error = client.submit_batch(tasks).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DedupConflict));
    let text = error.to_string();
    assert!(text.contains("10000 tasks were accepted"), "{text}");
    assert!(text.contains("tasks[10002].dedup_key is in use"), "{text}");
}

#[tokio::test]
async fn a_bad_task_is_refused_before_anything_is_sent() {
    let (client, fake) = serve(Memory::default(), Some("t")).await;
    let mut tasks = vec![task(1); 3];
    tasks[1].priority = Some(12);
    let error = client.submit_batch(tasks).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "tasks[1].priority must be 1 to 9, got 12"
    );
    assert_eq!(fake.0.lock().unwrap().requests, 0);
}

#[tokio::test]
async fn without_a_token_the_refusal_comes_through() {
    let (client, _) = serve(Memory::default(), None).await;
    let error = client.submit(task(1)).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Unauthorized));
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("CAPATAZ_TOKEN"))
    );
}
