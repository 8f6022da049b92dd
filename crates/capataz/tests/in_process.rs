//! An embedded master has no socket, ends at once, and forgets nothing when it is killed.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use capataz::rest::{EventType, EventsQuery, TaskState, TasksQuery};
use capataz::{ClientError, Context, Embedded, HandlerError, Task};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long closing may take with everything at work.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// Names the folder to a test that runs itself as the process to be killed.
const CHILD_FOLDER: &str = "CAPATAZ_TEST_CHILD_FOLDER";
/// Tasks that are acknowledged before the kill.
const ACKNOWLEDGED: usize = 200;

async fn in_memory() -> Embedded {
    let opened = Embedded::builder().in_memory().open().await;
    opened.expect("it opens")
}

async fn in_folder(folder: &Path) -> Embedded {
    let opened = Embedded::builder().data_dir(folder).open().await;
    opened.expect("it opens")
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what} took over {PATIENCE:?}"))
}

/// The sockets of this process that speak TCP or UDP.
#[cfg(target_os = "linux")]
fn network_sockets() -> Vec<String> {
    let own: HashSet<String> = std::fs::read_dir("/proc/self/fd")
        .expect("procfs")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|table| format!("/proc/self/net/{table}"));
    let rows = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok());
    rows.flat_map(|rows| rows.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|row| {
            let inode = row.split_whitespace().nth(9);
            inode.is_some_and(|inode| own.contains(inode))
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn it_works_without_a_socket() {
    let embedded = in_memory().await;
    let client = embedded.client();
    let mut events = client.events(EventsQuery {
        after: Some("0".to_owned()),
        ..EventsQuery::default()
    });
    let worker = embedded
        .worker()
        .handler("g", async |_: Context, n: u32| Ok::<_, HandlerError>(n + 1))
        .start()
        .expect("it starts");
    let task = Task::new("g").json(&41).expect("JSON");
    let id = client.submit(task.into()).await.expect("accepted").id;
    soon("waiting", capataz::wait_for(client, [&id]))
        .await
        .expect("waited");
    let shown = client.show(&id).await.expect("there").task;
    assert_eq!(shown.output.expect("an output").as_text(), Some("42"));
    loop {
        let event = soon("the next event", events.next()).await;
        let event = event.expect("the stream goes on").expect("an event");
        if event.r#type == EventType::AttemptEnded {
            assert_eq!(event.task.as_deref(), Some(id.as_str()));
            break;
        }
    }
    assert_eq!(network_sockets(), [] as [String; 0]);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    assert_eq!(network_sockets().len(), 1, "sockets are not found");
    drop(socket);
    worker.drain(None);
    soon("the worker", worker.ended())
        .await
        .expect("a clean end");
    embedded.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_neither_for_clients_nor_for_workers() {
    let embedded = in_memory().await;
    let client = embedded.client().clone();
    let endless = async |attempt: Context, (): ()| {
        attempt.cancelled().await;
        Ok::<_, HandlerError>(())
    };
    let worker = embedded.worker().handler("g", endless).start();
    let worker = worker.expect("it starts");
    let id = client.submit(Task::new("g").into()).await;
    let id = id.expect("accepted").id;
    let mut events = client.events(EventsQuery {
        after: Some("0".to_owned()),
        ..EventsQuery::default()
    });
    loop {
        let event = soon("the start", events.next()).await;
        let event = event.expect("the stream goes on").expect("an event");
        if event.r#type == EventType::AttemptStarted {
            break;
        }
    }
    let waiter = client.clone();
    let waited = tokio::spawn(async move { capataz::wait_for(&waiter, [id]).await });

    let began = Instant::now();
    embedded.close().await;
    let took = began.elapsed();
    assert!(took < CLOSE_MAX, "closing took {took:?}");

    let error = client.groups().await.expect_err("nobody is there");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let error = client.submit(Task::new("g").into()).await;
    let error = error.expect_err("nobody is there");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let error = soon("the waiting client", waited).await.expect("no panic");
    let error = error.expect_err("the master went away");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let end = soon("the stream", async {
        loop {
            match events.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    });
    let end = end.await.expect("a reason").expect_err("no event");
    assert!(matches!(end, ClientError::Closed { .. }), "{end}");
    let refused = soon("the worker", worker.ended()).await;
    let refused = refused.expect_err("it was not drained").to_string();
    assert!(refused.contains("closed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_masters_of_one_process_have_nothing_in_common() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (in_memory().await, in_folder(folder.path()).await);
    let (mut workers, mut ids) = (Vec::new(), Vec::new());
    for (embedded, name) in [(&first, "first"), (&second, "second")] {
        let handler = move |_: Context, (): ()| async move { Ok::<_, HandlerError>(name) };
        let worker = embedded.worker().handler("g", handler).start();
        workers.push(worker.expect("it starts"));
        let id = embedded.client().submit(Task::new("g").into()).await;
        ids.push(id.expect("accepted").id);
    }
    for ((embedded, name), id) in [(&first, "first"), (&second, "second")]
        .into_iter()
        .zip(&ids)
    {
        let client = embedded.client();
        let waited = soon("waiting", capataz::wait_for(client, [id])).await;
        assert_eq!(waited.expect("waited").counts.succeeded, 1);
        let all = client.list(&TasksQuery::default()).await.expect("a list");
        let outputs: Vec<_> = all.items.iter().map(|item| item.output.as_ref()).collect();
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        assert_eq!(outputs[0].and_then(|output| output.as_text()), Some(name));
    }
    let third = Embedded::builder().data_dir(folder.path()).open().await;
    let error = third.expect_err("the folder is in use").to_string();
    assert!(error.contains("journal"), "{error}");
    for worker in workers {
        worker.drain(None);
        soon("a worker", worker.ended()).await.expect("a clean end");
    }
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_opens_again_although_an_old_client_is_still_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = in_folder(folder.path()).await;
    let old = first.client().clone();
    let id = old
        .submit(Task::new("g").into())
        .await
        .expect("accepted")
        .id;
    drop(first);
    let second = in_folder(folder.path()).await;
    let error = old.show(&id).await.expect_err("its master is gone");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let shown = second.client().show(&id).await.expect("it is there").task;
    assert_eq!(shown.state, TaskState::Queued);
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        return submit_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let acknowledged = kill_a_submitter(folder.path());
    let embedded = in_folder(folder.path()).await;
    let worker = embedded
        .worker()
        .concurrency(8)
        .handler("g", async |_: Context, text: String| {
            Ok::<_, HandlerError>(text)
        })
        .start()
        .expect("it starts");
    let client = embedded.client();
    let waited = soon("waiting", capataz::wait_for(client, &acknowledged)).await;
    let succeeded = waited.expect("all are there").counts.succeeded;
    assert_eq!(succeeded, acknowledged.len() as u64);
    worker.drain(None);
    soon("the worker", worker.ended())
        .await
        .expect("a clean end");
    embedded.close().await;
}

/// Runs this test's other half in a process of its own, and kills it when enough is acknowledged.
fn kill_a_submitter(folder: &Path) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "what_was_acknowledged_survives_a_kill",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ids = lines.map_while(Result::ok).filter_map(|line| {
        let id = line.strip_prefix("acknowledged ")?;
        Some(id.to_owned())
    });
    let acknowledged: Vec<String> = ids.take(ACKNOWLEDGED).collect();
    child.kill().expect("it still runs");
    child.wait().expect("its end");
    assert_eq!(acknowledged.len(), ACKNOWLEDGED, "it ended by itself");
    acknowledged
}

async fn submit_until_killed(folder: &Path) {
    let embedded = in_folder(folder).await;
    for number in 0_u64.. {
        let task = Task::new("g").bytes(number.to_string());
        let id = embedded.client().submit(task.into()).await;
        println!("\nacknowledged {}", id.expect("accepted").id);
    }
}
