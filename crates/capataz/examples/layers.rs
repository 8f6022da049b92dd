//! What wraps every handler: a limit, a histogram, and a layer of one's own.
//!
//! `cargo run -p capataz --example layers`

use std::error::Error;
use std::pin::Pin;
use std::task::{self, Poll};

use capataz::worker::{Answer, TimingLayer};
use capataz::{Context, Embedded, HandlerError, Task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service};

/// Refuses tasks that nobody has signed.
#[derive(Clone)]
struct SignedOnly;

#[derive(Clone)]
struct Checked<S>(S);

impl<S> Layer<S> for SignedOnly {
    type Service = Checked<S>;

    fn layer(&self, inner: S) -> Checked<S> {
        Checked(inner)
    }
}

impl<S> Service<Context> for Checked<S>
where
    S: Service<Context, Response = Answer, Error = HandlerError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = HandlerError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, HandlerError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), HandlerError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, attempt: Context) -> Self::Future {
        if !attempt.tags.iter().any(|tag| tag == "signed") {
            let task = attempt.task.clone();
            return Box::pin(async move {
                Err(HandlerError::fatal(format!("task {task} is not signed")))
            });
        }
        Box::pin(self.0.call(attempt))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = Embedded::builder().in_memory().open().await?;
    let worker = embedded
        .worker()
        .concurrency(16)
        // The first layer is outermost: it measures what the others cost, too.
        .layer(TimingLayer::new(|timing| {
            println!(
                "{} {:?} after {:?}",
                timing.group, timing.ending, timing.elapsed
            );
        }))
        .layer(SignedOnly)
        .layer(ConcurrencyLimitLayer::new(4))
        .handler("greetings", async |_: Context, name: String| {
            Ok::<_, HandlerError>(format!("hello {name}"))
        })
        .start()?;

    let client = embedded.client();
    let good = Task::new("greetings").tag("signed").bytes("Ada");
    let bad = Task::new("greetings").bytes("Mallory");
    let accepted = client.submit_batch(vec![good.into(), bad.into()]).await?;
    let ids: Vec<String> = accepted.ids.iter().collect();
    capataz::wait_for(client, &ids).await?;
    for id in &ids {
        let task = client.show(id).await?.task;
        println!(
            "{id}: {:?} {:?} {:?}",
            task.state, task.output, task.message
        );
    }

    worker.drain(None);
    worker.ended().await?;
    embedded.close().await;
    Ok(())
}
