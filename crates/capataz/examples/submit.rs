//! Submits to a server, waits, and prints what came of it. See the example `worker`.

use std::error::Error;
use std::time::Duration;

use capataz::rest::WaitRequest;
use capataz::{Client, Task};
use serde::Serialize;

#[derive(Serialize)]
struct Mail {
    to: String,
    subject: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env()?;
    let mut tasks = Vec::new();
    for number in 0..1_000 {
        let mail = Mail {
            to: format!("user{number}@example.com"),
            subject: "News".to_owned(),
        };
        let task = Task::new("mail").tag("newsletter").max_attempts(5);
        tasks.push(task.timeout(Duration::from_secs(30)).json(&mail)?.into());
    }
    // Travels in as few requests as the limits allow.
    let accepted = client.submit_batch(tasks).await?;
    println!("{} mails are queued", accepted.ids.len());

    let all = WaitRequest {
        tag: Some("newsletter".to_owned()),
        ..WaitRequest::default()
    };
    let waited = client
        .wait(all, Some(Duration::from_secs(300)), |so_far| {
            println!("{} to go", so_far.remaining);
        })
        .await?;
    println!("{:?}", waited.counts);
    Ok(())
}
