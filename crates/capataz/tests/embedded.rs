//! Client, worker and master in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use capataz::rest::{Task as Item, TaskState};
use capataz::worker::{Ending, TimingLayer};
use capataz::{
    Client, ClientConfig, Context, Embedded, HandlerError, Task, Worker, WorkerBuilder, WorkerError,
};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs some tasks to their end and returns what became of them.
async fn outcomes(
    worker: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    tasks: impl IntoIterator<Item = Task>,
) -> Vec<Item> {
    let embedded = Embedded::builder()
        .in_memory()
        .open()
        .await
        .expect("it opens");
    let worker = worker(embedded.worker().concurrency(4))
        .start()
        .expect("it starts");
    let client = embedded.client();
    let tasks = tasks.into_iter().map(Into::into).collect();
    let accepted = client.submit_batch(tasks).await.expect("accepted");
    let ids: Vec<String> = accepted.ids.iter().collect();
    let waited = tokio::time::timeout(PATIENCE, capataz::wait_for(client, &ids));
    waited
        .await
        .expect("an end within half a minute")
        .expect("waited");
    let mut items = Vec::new();
    for id in &ids {
        items.push(client.show(id).await.expect("it is there").task);
    }
    worker.drain(None);
    worker.ended().await.expect("a clean end");
    embedded.close().await;
    items
}

fn message(item: &Item) -> &str {
    item.message.as_deref().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_payloads_go_in_and_outputs_come_back() {
    let double = async |_: Context, numbers: Vec<u32>| {
        Ok::<_, HandlerError>(numbers.iter().map(|n| n * 2).collect::<Vec<u32>>())
    };
    let greet = async |_: Context, name: String| Ok::<_, HandlerError>(format!("hello {name}"));
    let tasks = [
        Task::new("double").json(&[1, 2]).expect("JSON"),
        Task::new("greet").bytes("Ada"),
    ];
    let items = outcomes(
        |w| w.handler("double", double).handler("greet", greet),
        tasks,
    )
    .await;
    let outputs: Vec<_> = items
        .iter()
        .map(|i| i.output.as_ref().and_then(|o| o.as_text()))
        .collect();
    assert_eq!(outputs, [Some("[2,4]"), Some("hello Ada")]);
}

/// What a program does that does not know where its master is.
async fn measure(client: &Client, worker: WorkerBuilder) -> String {
    let handler = async |_: Context, text: String| Ok::<_, HandlerError>(text.len());
    let worker = worker.handler("measure", handler);
    let worker = worker.start().expect("it starts");
    let task = Task::new("measure").bytes("five!");
    let id = client.submit(task.into()).await.expect("accepted").id;
    let waited = tokio::time::timeout(PATIENCE, capataz::wait_for(client, [&id]));
    let waited = waited.await.expect("an end within half a minute");
    assert_eq!(waited.expect("waited").counts.succeeded, 1);
    let output = client.show(&id).await.expect("there").task.output;
    worker.drain(None);
    worker.ended().await.expect("a clean end");
    let output = output.expect("an output");
    output.as_text().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_runs_in_process_and_against_a_server() {
    let embedded = Embedded::builder().in_memory().open().await;
    let embedded = embedded.expect("it opens");
    assert_eq!(measure(embedded.client(), embedded.worker()).await, "5");
    embedded.close().await;

    let folder = tempfile::tempdir().expect("a folder");
    let mut options = capataz_server::ServeOptions::new(folder.path());
    options.listen.set_port(0);
    let server = capataz_server::serve(options).await.expect("it starts");
    let client = Client::new(&ClientConfig {
        server: server.url(),
        token: Some(server.token().to_owned()),
        ..ClientConfig::default()
    });
    let client = client.expect("a client");
    let worker = Worker::builder().server(server.url()).token(server.token());
    assert_eq!(measure(&client, worker).await, "5");
    drop(client);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_payload_fails_for_good_without_calling_the_handler() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let handler = move |_: Context, _: Vec<u32>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, HandlerError>(()) }
    };
    let task = Task::new("g").bytes("no numbers").max_attempts(5);
    let items = outcomes(|w| w.handler("g", handler), [task]).await;
    assert_eq!((items[0].state, items[0].attempt), (TaskState::Failed, 1));
    assert!(
        message(&items[0]).contains("payload"),
        "{:?}",
        items[0].message
    );
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_retried_fatal_ones_are_not_and_a_panic_hurts_nobody_else() {
    let handler = async |attempt: Context, kind: String| match kind.as_str() {
        "fatal" => Err(HandlerError::fatal("never")),
        "again" if attempt.attempt == 1 => Err(HandlerError::again(Duration::from_millis(10))),
        "panic" if attempt.attempt == 1 => panic!("on purpose"),
        "error" if attempt.attempt == 1 => Err("x".parse::<u32>().expect_err("no number").into()),
        _ => Ok(attempt.attempt),
    };
    let tasks = ["fatal", "again", "panic", "error"].map(|kind| {
        let mut task = Task::new("g").bytes(kind);
        // The second attempt comes at once; `again` takes nothing from the budget.
        let spec = task.spec_mut();
        spec.max_attempts = Some(if kind == "again" { 1 } else { 2 });
        spec.backoff = Some(capataz::proto::Backoff {
            initial_us: 1_000,
            factor_percent: 100,
            cap_us: 1_000,
            jitter_percent: 0,
        });
        task
    });
    let items = outcomes(|w| w.handler("g", handler), tasks).await;
    let ends: Vec<_> = items
        .iter()
        .map(|item| (item.state, item.attempt))
        .collect();
    let succeeded = (TaskState::Succeeded, 2);
    assert_eq!(
        ends,
        [(TaskState::Failed, 1), succeeded, succeeded, succeeded]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_wrap_every_handler_and_see_how_it_ended() {
    let (seen, mut timings) = mpsc::unbounded_channel();
    let layer = TimingLayer::new(move |timing| {
        let _ = seen.send((timing.group, timing.ending));
    });
    let handler = async |_: Context, fails: bool| match fails {
        true => Err(HandlerError::fatal("as asked")),
        false => Ok(()),
    };
    let tasks = [("a", false), ("b", true)];
    let tasks = tasks.map(|(group, fails)| Task::new(group).json(&fails).expect("JSON"));
    outcomes(
        |w| w.layer(layer).handler("a", handler).handler("b", handler),
        tasks,
    )
    .await;
    let mut found = Vec::new();
    while let Ok((group, ending)) = timings.try_recv() {
        found.push((group, ending));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("a".to_owned(), Ending::Succeeded),
        ("b".to_owned(), Ending::Fatal),
    ];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_tells_its_handler() {
    let embedded = Embedded::builder()
        .in_memory()
        .open()
        .await
        .expect("it opens");
    let (seen, mut told) = mpsc::unbounded_channel();
    let worker = embedded
        .worker()
        .handler("g", move |attempt: Context, (): ()| {
            let seen = seen.clone();
            async move {
                let _ = seen.send("began");
                attempt.cancelled().await;
                let _ = seen.send("told");
                Ok::<_, HandlerError>(())
            }
        });
    let worker = worker.start().expect("it starts");
    let client = embedded.client();
    let id = client
        .submit(Task::new("g").into())
        .await
        .expect("accepted")
        .id;
    let next = tokio::time::timeout(PATIENCE, told.recv());
    assert_eq!(next.await.expect("it begins"), Some("began"));
    client.cancel(&id, None).await.expect("cancelled");
    let next = tokio::time::timeout(PATIENCE, told.recv());
    assert_eq!(next.await.expect("it is told"), Some("told"));
    assert_eq!(
        client.show(&id).await.expect("there").task.state,
        TaskState::Cancelled
    );
    worker.drain(None);
    worker.ended().await.expect("a clean end");
    embedded.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_when_the_folder_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Embedded::builder()
        .data_dir(folder.path())
        .open()
        .await
        .expect("it opens");
    let task = Task::new("g").bytes("kept");
    let id = first
        .client()
        .submit(task.into())
        .await
        .expect("accepted")
        .id;
    first.close().await;

    let second = Embedded::builder()
        .data_dir(folder.path())
        .open()
        .await
        .expect("it opens");
    let echo = async |_: Context, text: String| Ok::<_, HandlerError>(text);
    let worker = second
        .worker()
        .handler("g", echo)
        .start()
        .expect("it starts");
    let waited = tokio::time::timeout(PATIENCE, capataz::wait_for(second.client(), [&id]));
    waited
        .await
        .expect("an end within half a minute")
        .expect("waited");
    let item = second.client().show(&id).await.expect("it is there").task;
    assert_eq!(
        item.output.as_ref().and_then(|output| output.as_text()),
        Some("kept")
    );
    worker.drain(None);
    worker.ended().await.expect("a clean end");
    second.close().await;
}

#[tokio::test]
async fn a_worker_that_makes_no_sense_does_not_start() {
    let noop = async |_: Context, (): ()| Ok::<_, HandlerError>(());
    let builder = || {
        capataz::Worker::builder()
            .server("http://127.0.0.1:1")
            .token("t")
    };
    assert!(matches!(builder().start(), Err(WorkerError::NoHandler)));
    let twice = builder().handler("g", noop).handler("g", noop);
    assert!(matches!(
        twice.start(),
        Err(WorkerError::TwoHandlers { .. })
    ));
    let none = builder().handler("g", noop).concurrency(0);
    assert!(matches!(
        none.start(),
        Err(WorkerError::Concurrency { got: 0 })
    ));
}
