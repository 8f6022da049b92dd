//! A worker of a server: start one with `capataz serve`, then this with
//! `cargo run -p capataz --example worker`, then submit with the example `submit`.
//!
//! The server and the token come from `CAPATAZ_SERVER` and `CAPATAZ_TOKEN`, or from
//! `./capataz-data/admin-token`. Ctrl-C ends it in an orderly way, a second one at once.

use std::error::Error;
use std::time::Duration;

use capataz::{Context, HandlerError, Stream, Worker};
use serde::Deserialize;

#[derive(Deserialize)]
struct Mail {
    to: String,
    subject: String,
}

async fn send(attempt: Context, mail: Mail) -> Result<(), HandlerError> {
    if !mail.to.contains('@') {
        // No further attempt makes this an address.
        return Err(HandlerError::fatal(format!("{:?} is no address", mail.to)));
    }
    attempt.log(
        Stream::Stdout,
        format!("to {}: {}\n", mail.to, mail.subject),
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

/// Work that another system does: it is looked after every ten seconds, and takes no slot between.
async fn transfer(attempt: Context, reference: String) -> Result<String, HandlerError> {
    if attempt.attempt < 3 {
        return Err(HandlerError::again(Duration::from_secs(10)));
    }
    Ok(format!("{reference} has arrived"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let worker = Worker::builder()
        .pod("mailers")
        .pod_slots(4)
        .handler("mail", send)
        .handler("transfers", transfer)
        .start()?;
    tokio::signal::ctrl_c().await?;
    worker.drain(Some(Duration::from_secs(30)));
    tokio::select! {
        ended = worker.ended() => ended?,
        _ = tokio::signal::ctrl_c() => eprintln!("ended at once"),
    }
    Ok(())
}
