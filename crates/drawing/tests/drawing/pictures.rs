//! Runs to draw.

use capataz_drawing::{Edge, Elements, Picture, PictureStep, StepState};

pub(crate) const SECOND: u64 = 1_000_000;
/// When all these runs began: 2026-03-01T12:00:00Z.
pub(crate) const BEGAN: u64 = 1_772_366_400 * SECOND;

/// A step that comes after others, on success.
pub(crate) fn step(id: &str, after: &[usize]) -> PictureStep {
    PictureStep {
        id: id.to_owned(),
        after: after.iter().map(|from| (*from, Edge::Success)).collect(),
        submitted_at: Some(BEGAN),
        ..PictureStep::default()
    }
}

/// A run that stands at `seconds` after its begin.
pub(crate) fn run(workflow: &str, seconds: u64, steps: Vec<PictureStep>) -> Picture {
    Picture {
        run: "r-17".to_owned(),
        workflow: workflow.to_owned(),
        state: "running".to_owned(),
        now: BEGAN + seconds * SECOND,
        steps,
    }
}

/// The step, queued and started and perhaps ended so many seconds after the run's begin.
pub(crate) fn ran(
    mut step: PictureStep,
    queued: u64,
    started: u64,
    ended: Option<u64>,
) -> PictureStep {
    step.queued_at = Some(BEGAN + queued * SECOND);
    step.started_at = Some(BEGAN + started * SECOND);
    step.finished_at = ended.map(|ended| BEGAN + ended * SECOND);
    step.state = match ended {
        Some(_) => StepState::Succeeded,
        None => StepState::Running,
    };
    step.worker = Some("mill-3".to_owned());
    step
}

pub(crate) fn chain() -> Picture {
    let mut load = step("load", &[2]);
    load.waits_for = vec!["transform".to_owned()];
    let mut report = step("report", &[3]);
    report.waits_for = vec!["load".to_owned()];
    let steps = vec![
        ran(step("fetch", &[]), 0, 1, Some(5)),
        ran(step("unpack", &[0]), 5, 5, Some(9)),
        ran(step("transform", &[1]), 9, 12, None),
        load,
        report,
    ];
    run("etl", 30, steps)
}

/// One step, eight side by side, one after all of them.
pub(crate) fn fork_join() -> Picture {
    let mut steps = vec![ran(step("split", &[]), 0, 1, Some(4))];
    for place in 0..8 {
        let part = step(&format!("part_{place}"), &[0]);
        let part = match place {
            0..3 => ran(part, 4, 5 + place, Some(20 + place)),
            3..5 => ran(part, 4, 21, None),
            _ => PictureStep {
                state: StepState::Queued,
                queued_at: Some(BEGAN + 4 * SECOND),
                waits_for: vec!["a slot of pod mill".to_owned()],
                ..part
            },
        };
        steps.push(part);
    }
    let all: Vec<usize> = (1..9).collect();
    let mut join = step("join", &all);
    join.waits_for = (3..8).map(|place| format!("part_{place}")).collect();
    steps.push(join);
    run("fork", 30, steps)
}

/// Four stages of six side by side, each fed by two of the stage before, between two ends.
pub(crate) fn diamond() -> Picture {
    let mut steps = vec![ran(step("begin", &[]), 0, 0, Some(2))];
    for stage in 0..3 {
        for column in 0..6 {
            let id = format!("{}{column}", ["left", "mid", "right"][stage]);
            let before = 1 + 6 * stage.saturating_sub(1);
            let after = match stage {
                0 => vec![0],
                _ => vec![before + column, before + (column + 1) % 6],
            };
            let one = step(&id, &after);
            steps.push(match stage {
                0 => ran(one, 2, 3, Some(9)),
                1 if column < 3 => ran(one, 9, 10, None),
                _ => one,
            });
        }
    }
    let last: Vec<usize> = (13..19).collect();
    steps.push(step("end", &last));
    run("diamond", 20, steps)
}

/// Forty alike steps between two others, and a cleaning step on failure.
pub(crate) fn fan_out() -> Picture {
    let mut steps = vec![ran(step("split_fasta", &[]), 0, 0, Some(1))];
    for place in 0..40 {
        let blast = step(&format!("blast_{place:03}"), &[0]);
        steps.push(match place {
            0..12 => ran(blast, 1, 2 + place / 4, Some(20 + place)),
            12..15 => ran(blast, 1, 22, None),
            _ => PictureStep {
                state: StepState::Queued,
                queued_at: Some(BEGAN + SECOND),
                ..blast
            },
        });
    }
    let all: Vec<usize> = (1..41).collect();
    steps.push(step("join", &all));
    let mut clean = step("clean_up", &[]);
    clean.after = vec![(41, Edge::Any)];
    steps.push(clean);
    run("blast", 40, steps)
}

/// Every state, edges on every condition, a fan-out, and ids that want to break out.
pub(crate) fn everything() -> Picture {
    let mut failed = ran(step("convert \"raw\" [v2]", &[0]), 4, 5, Some(9));
    failed.state = StepState::Failed;
    failed.reason = "timeout".to_owned();
    let mut thumbs = ran(step("縮小 thumbnails & more", &[0]), 4, 4, None);
    thumbs.elements = Some(Elements {
        done: 12,
        failed: 1,
        total: 400,
    });
    let mut retried = step("upload\\nightly", &[0]);
    retried.state = StepState::Scheduled;
    retried.reason = "backoff".to_owned();
    retried.queued_at = Some(BEGAN + 6 * SECOND);
    let mut notify = step("notify <ops>", &[]);
    notify.after = vec![(1, Edge::Failure)];
    notify.state = StepState::Queued;
    notify.queued_at = Some(BEGAN + 9 * SECOND);
    let mut publish = step("publish", &[1, 2]);
    publish.state = StepState::Skipped;
    publish.reason = "a step before it failed".to_owned();
    let mut stopped = step("preview", &[2]);
    stopped.state = StepState::Cancelled;
    stopped.reason = "requested".to_owned();
    let mut clean = step("clean\x1b[2J up", &[]);
    clean.after = vec![(3, Edge::Any), (4, Edge::Any), (5, Edge::Success)];
    clean.waits_for = vec!["upload\\nightly".to_owned(), "notify <ops>".to_owned()];
    let steps = vec![
        ran(step("fetch", &[]), 0, 1, Some(4)),
        failed,
        thumbs,
        retried,
        notify,
        publish,
        stopped,
        clean,
    ];
    run("media", 30, steps)
}
