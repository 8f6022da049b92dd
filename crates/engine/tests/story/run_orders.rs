//! From a line about workflows and runs to a command of the engine.

use std::fmt::Write;

use bytes::Bytes;
use capataz_engine::{
    Backoff, Command, Hold, NewRun, Reopening, RunId, RunKey, Settings, Span, StartRun, Submission,
    Version, Which, limits,
};

use super::graph::Sketch;
use super::line::Line;
use super::orders;
use super::owner::run_id;

/// Reads a command about runs; `None` for any other. What stands behind a colon is a workflow.
pub(super) fn command(line: &Line, graph: Option<&str>) -> Option<Command> {
    let command = match line.words()[..] {
        ["put", name] => Command::PutWorkflow {
            name: name.to_owned(),
            version: Box::new(version(line, graph?)),
        },
        ["remove", name] => Command::RemoveWorkflow {
            name: name.to_owned(),
        },
        ["clear", name] => Command::ClearHold {
            name: name.to_owned(),
        },
        ["start", name] => Command::StartRun(Box::new(start(name, line, graph))),
        ["start", name, "or", "not"] => Command::StartRun(Box::new(StartRun {
            waits_for_conflict: false,
            ..start(name, line, graph)
        })),
        ["pause", "run", run] => pause(run, true),
        ["resume", "run", run] => pause(run, false),
        ["cancel", "run", run] => Command::CancelRun {
            run: run_id(run),
            note: String::new(),
        },
        _ => return None,
    };
    Some(command)
}

/// Reads `reopen run r3`, `reopen run r3 from a,b` and `reopen run r3 from a with descendants`.
pub(super) fn reopening(line: &Line, archive: Option<Bytes>) -> Reopening {
    let names = |text: &str| text.split(',').map(str::to_owned).collect();
    Reopening {
        run: run_id(line.follows("run").expect("which run")),
        archive,
        steps: line.follows("from").map(names),
        descendants: line.says("descendants"),
    }
}

/// Adds steps to the workflow of a run; an attempt that is named asks for it.
pub(super) fn extension(line: &Line, run: RunId, before: &Version, more: &str) -> Command {
    let mut text = String::from_utf8_lossy(&before.definition).into_owned();
    write!(text, ";{more}").expect("a text takes more text");
    Command::ExtendRun {
        run,
        by: line.says("task").then(|| line.token()),
        version: Box::new(Version {
            settings: before.settings.clone(),
            ..version(&Line::parse(""), &text)
        }),
    }
}

fn pause(run: &str, on: bool) -> Command {
    Command::PauseRun {
        run: run_id(run),
        on,
    }
}

fn version(line: &Line, graph: &str) -> Version {
    let pause = Backoff {
        initial: line.span("pause").unwrap_or(Span::secs(60)),
        jitter_percent: 0,
        ..Backoff::default()
    };
    Version {
        content: number_of(&format!("{graph} {}", line.content())),
        settings: Settings {
            max_runs: line.number("max_runs"),
            max_steps: line.number("max_steps"),
            hold: line.number("hold").map(|after| Hold { after, pause }),
            asks_at_end: line.number("repeats").is_some(),
        },
        graph: Sketch::parse(graph).graph(),
        definition: Bytes::copy_from_slice(graph.as_bytes()),
    }
}

fn start(name: &str, line: &Line, graph: Option<&str>) -> StartRun {
    let key = line.text("key").map(|key| RunKey {
        id: number_of(&format!("{name} {key}")),
        content: number_of(&format!("{:?}", line.text("with"))),
    });
    let parameters = line.text("with").unwrap_or_default().to_owned();
    StartRun {
        request: orders::request(line),
        workflow: name.to_owned(),
        version: match graph {
            Some(graph) => Which::Given(Box::new(version(&Line::parse(""), graph))),
            None => match (line.number("version"), line.text("known")) {
                (Some(number), Some(graph)) => Which::Known {
                    number,
                    content: version(&Line::parse(""), graph).content,
                },
                (number, _) => Which::Registered(number),
            },
        },
        run: NewRun {
            parameters: Bytes::from(parameters),
            message: Bytes::new(),
            body: Bytes::new(),
            key,
            conflict: line.text("conflict").map(str::to_owned),
            priority: line
                .number("priority")
                .unwrap_or(limits::PRIORITY_DEFAULT.into()) as u8,
            expected: line
                .list("expected")
                .iter()
                .map(|text| seconds(text))
                .collect(),
            repetition: 0,
            previous: None,
        },
        waits_for_conflict: true,
    }
}

/// How long a step is expected to take: seconds in a story, milliseconds in the engine.
fn seconds(text: &str) -> u32 {
    let number: u32 = text.parse().expect("a number of seconds");
    number * 1_000
}

fn number_of(text: &str) -> u128 {
    Submission::affinity_hash(text).into()
}
