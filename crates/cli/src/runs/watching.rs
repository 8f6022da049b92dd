//! A run as it goes on: a drawing that is redrawn in place, or a line for everything that happens.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use capataz_api::client::Client;
use capataz_api::rest::{AuditLine, AuditQuery, TaskState};
use capataz_drawing::dag;

use super::moment::now;
use super::picture::{of_run, whole};
use super::terminal::{all_lines, canvas};
use super::trail::Trail;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::runs::waiting::exit;

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(500);

/// The longest time between two drawings, which is also the longest call that a server takes.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Reading a run of very many steps takes long; so many times as long it rests in between.
const REST: u32 = 4;

/// Shows a run until it has ended.
pub(crate) async fn watch(client: &Client, id: &str, output: Output) -> Result<Exit, Failure> {
    match output.format == Format::Table && std::io::stdout().is_terminal() {
        true => draw(client, id, output).await,
        false => follow(client, id, output).await,
    }
}

async fn draw(client: &Client, id: &str, output: Output) -> Result<Exit, Failure> {
    let mut lines = 0;
    loop {
        let began = Instant::now();
        let detail = whole(client, id, None).await?;
        let over = !detail.run.state.is_live();
        let mut canvas = canvas(detail.steps.len());
        // The last drawing stays and may scroll, so nothing needs to be left out of it.
        canvas.height = match over {
            true => all_lines(detail.steps.len()),
            false => canvas.height.saturating_sub(1),
        };
        let drawing = dag(&of_run(&detail, now()), &canvas);
        output.write(redrawn(lines, &drawing).as_bytes())?;
        if over {
            return Ok(exit(detail.run.state));
        }
        lines = drawing.lines().count();
        let pause = (began.elapsed() * REST).clamp(EVERY, LONGEST_REST);
        client.wait_run_step(id, pause).await?;
    }
}

/// A drawing in the place of the last one, which had so many lines.
fn redrawn(lines: usize, drawing: &str) -> String {
    match lines {
        0 => drawing.to_owned(),
        // Up, then clear everything below.
        lines => format!("\x1b[{lines}A\r\x1b[0J{drawing}"),
    }
}

async fn follow(client: &Client, id: &str, output: Output) -> Result<Exit, Failure> {
    let mut trail = Trail::new(client, id, AuditQuery::default());
    loop {
        let answer = client.wait_run_step(id, EVERY).await?;
        let show = |line: &AuditLine| match output.format {
            Format::Json => output.json_line(line),
            Format::Table => output.write(told(line).as_bytes()),
            Format::Quiet => Ok(()),
        };
        trail.read::<Failure>(show).await?;
        if answer.done {
            return Ok(exit(answer.run.state));
        }
    }
}

/// What happened, in one line; nothing for what is no change of a state, and for the end of an
/// attempt that is the end of its step: that is a line of its own.
fn told(line: &AuditLine) -> String {
    let ends = |to: TaskState| !to.is_live() && line.attempt.is_some() && line.element.is_none();
    let changes = |to: &TaskState| line.from != Some(*to) && !ends(*to);
    let Some(to) = line.to.filter(changes) else {
        return String::new();
    };
    let what = match (&line.step, &line.run) {
        (Some(step), _) => step,
        (None, Some(run)) => run,
        (None, None) => return String::new(),
    };
    let attempt = line.attempt.filter(|_| to == TaskState::Running);
    let attempt = attempt.map(|attempt| format!(" (attempt {attempt})"));
    let reason = line.reason.as_ref().map(|reason| format!(" ({reason})"));
    let element = line.element.map(|element| format!("[{element}]"));
    format!(
        "{}  {}{}  {to}{}{}\n",
        line.time,
        what,
        element.unwrap_or_default(),
        attempt.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use capataz_api::Timestamp;

    use super::*;

    #[test]
    fn the_second_drawing_takes_the_place_of_the_first() {
        assert_eq!(redrawn(0, "a\nb\n"), "a\nb\n");
        assert_eq!(redrawn(2, "c\n"), "\x1b[2A\r\x1b[0Jc\n");
    }

    #[test]
    fn a_line_names_the_step_its_state_and_the_reason() {
        let line = AuditLine {
            seq: 1,
            time: Timestamp(1_000_000),
            actor: "capataz".to_owned(),
            action: "ended".to_owned(),
            run: Some("r1".to_owned()),
            step: Some("load".to_owned()),
            task: None,
            attempt: None,
            from: Some(TaskState::Running),
            to: Some(TaskState::Failed),
            reason: Some("timeout".to_owned()),
            element: None,
            upstream: None,
            subject: None,
            note: None,
        };
        assert_eq!(
            told(&line),
            "1970-01-01T00:00:01.000000Z  load  failed (timeout)\n"
        );
        let none = |line: AuditLine| assert_eq!(told(&line), "");
        none(AuditLine {
            to: None,
            ..line.clone()
        });
        none(AuditLine {
            from: line.to,
            ..line.clone()
        });
        none(AuditLine {
            attempt: Some(2),
            ..line
        });
    }
}
