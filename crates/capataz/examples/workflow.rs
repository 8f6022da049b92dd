//! A workflow inside one program: a graph of steps, whose work is done by async functions.
//!
//! `cargo run -p capataz --example workflow` splits a text into sentences, counts the words of all
//! sentences at the same time, and adds them up.

use std::error::Error;

use capataz::workflow::{Definition, Parameter, StepDefinition};
use capataz::{Context, Embedded, HandlerError, Run, wait_for_run};

async fn split(_: Context, text: String) -> Result<Vec<String>, HandlerError> {
    let sentences = text.split('.').map(str::trim);
    let sentences = sentences.filter(|sentence| !sentence.is_empty());
    Ok(sentences.map(str::to_owned).collect())
}

async fn count(_: Context, sentence: String) -> Result<usize, HandlerError> {
    Ok(sentence.split_whitespace().count())
}

async fn sum(_: Context, counts: Vec<usize>) -> Result<usize, HandlerError> {
    Ok(counts.iter().sum())
}

/// `${...}` takes values from parameters and from what earlier steps returned.
fn word_count() -> Definition {
    Definition::new("word-count")
        .parameter("text", Parameter::text())
        .step(
            StepDefinition::new("split")
                .group("split")
                .payload("${params.text}"),
        )
        .step(
            StepDefinition::new("count")
                .group("count")
                .after("split")
                .for_each("outputs.split")
                .payload("${item}"),
        )
        .step(
            StepDefinition::new("sum")
                .group("sum")
                .after("count")
                .payload("${outputs.count}"),
        )
        .result("${outputs.sum}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = Embedded::builder().in_memory().open().await?;
    let worker = embedded
        .worker()
        .concurrency(4)
        .handler("split", split)
        .handler("count", count)
        .handler("sum", sum)
        .start()?;

    let client = embedded.client();
    let text = "A graph of steps. Each is a task. What one returns the next one takes.";
    let run = Run::of(&word_count()).param("text", text).tag("example");
    let id = client.start_run(&run.into()).await?.id;
    let ended = wait_for_run(client, &id).await?;
    for step in &ended.steps {
        println!("{}: {}", step.id, step.state);
    }
    let words = ended.result.ok_or("the run has no result")?;
    println!("{words} words");
    assert_eq!(words, 15);

    worker.drain(None);
    worker.ended().await?;
    embedded.close().await;
    Ok(())
}
