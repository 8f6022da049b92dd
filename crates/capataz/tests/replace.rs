//! Workers come and go while tasks run; no task notices.

use std::time::Duration;

use capataz::rest::TaskState;
use capataz::{Context, Embedded, HandlerError, RunningWorker, Task};

const TASKS: usize = 3_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn start(embedded: &Embedded) -> RunningWorker {
    let worker = embedded
        .worker()
        .concurrency(8)
        .handler("g", async |_: Context, (): ()| {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok::<_, HandlerError>(())
        });
    worker.start().expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_replaced_while_tasks_run_lose_none() {
    let embedded = Embedded::builder()
        .in_memory()
        .open()
        .await
        .expect("it opens");
    let client = embedded.client().clone();
    // A lost or failed attempt would end its task.
    let task = || {
        let mut task = Task::new("g");
        task.spec_mut().max_lost = Some(0);
        task.into()
    };
    let accepted = client
        .submit_batch((0..TASKS).map(|_| task()).collect())
        .await;
    let ids: Vec<String> = accepted.expect("accepted").ids.iter().collect();
    let waiter = client.clone();
    let wait = tokio::spawn(async move { capataz::wait_for(&waiter, ids).await });
    let mut workers = vec![start(&embedded), start(&embedded)];
    let mut replaced = 0;
    while !wait.is_finished() {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let old = workers.remove(0);
        workers.push(start(&embedded));
        old.drain(None);
        old.ended().await.expect("a clean end");
        replaced += 1;
    }
    let waited = tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("an end within a minute");
    let counts = waited.expect("no panic").expect("waited").counts;
    assert_eq!(
        counts.get(TaskState::Succeeded),
        TASKS as u64,
        "{counts:?}, {replaced} replaced"
    );
    assert!(replaced > 3, "too fast to mean anything");
    for worker in workers {
        worker.drain(None);
        worker.ended().await.expect("a clean end");
    }
    drop(client);
    embedded.close().await;
}
