//! A durable queue inside one program: no server to run, nothing lost when it is killed.
//!
//! `cargo run -p capataz --example embedded` submits ten thumbnails and makes them. Kill it half
//! way and run it again: it goes on where it was.

use std::error::Error;
use std::time::Duration;

use capataz::{Context, Embedded, HandlerError, Task};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Thumbnail {
    picture: String,
    width: u32,
}

async fn shrink(attempt: Context, job: Thumbnail) -> Result<String, HandlerError> {
    // Long work listens for its end; `attempt` also takes logs.
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
        () = attempt.cancelled() => return Err(HandlerError::retryable("cancelled")),
    }
    Ok(format!("{}-{}.png", job.picture, job.width))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = std::env::temp_dir().join("capataz-example");
    println!("data is in {}", data_dir.display());
    let embedded = Embedded::builder().data_dir(data_dir).open().await?;
    let worker = embedded
        .worker()
        .concurrency(2)
        .handler("thumbnails", shrink)
        .start()?;

    let client = embedded.client();
    let mut ids = Vec::new();
    for number in 0..10 {
        let picture = format!("picture{number}");
        // The key makes submitting idempotent: a second run finds the tasks of the first.
        let task = Task::new("thumbnails")
            .dedup_key(&picture)
            .max_attempts(3)
            .json(&Thumbnail {
                picture,
                width: 120,
            })?;
        ids.push(client.submit(task.into()).await?.id);
    }
    capataz::wait_for(client, &ids).await?;
    for id in &ids {
        let task = client.show(id).await?.task;
        let output = task
            .output
            .as_ref()
            .and_then(|output| output.as_text())
            .unwrap_or("nothing");
        println!("{id}: {output}");
    }

    worker.drain(Some(Duration::from_secs(5)));
    worker.ended().await?;
    embedded.close().await;
    Ok(())
}
