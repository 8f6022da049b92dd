//! The first line of a drawing: which run, and how far it is.

use crate::canvas::Canvas;
use crate::duration;
use crate::glyph;
use crate::line::Line;
use crate::picture::{Picture, StepState};
use crate::summary::Counts;

/// When the run began and when it ended, or now while it has not; microseconds since 1970. A run
/// of which nothing is known begins and ends now.
pub(crate) fn extent(picture: &Picture) -> (u64, u64) {
    let times = |step: &crate::PictureStep| {
        [
            step.submitted_at,
            step.queued_at,
            step.started_at,
            step.finished_at,
        ]
    };
    let all = || picture.steps.iter().flat_map(times).flatten();
    let begun = all().min().unwrap_or(picture.now);
    let over = picture.steps.iter().all(|step| step.state.is_terminal());
    let ended = all().max().filter(|_| over).unwrap_or(picture.now);
    (begun, ended.max(begun))
}

pub(crate) fn write_header(drawing: &mut String, canvas: &Canvas, picture: &Picture) {
    let mut counts = Counts::default();
    picture.steps.iter().for_each(|step| counts.add(step.state));
    let over = StepState::ALL
        .into_iter()
        .filter(|state| state.is_terminal());
    let over: usize = over.map(|state| counts.of(state)).sum();
    let (begun, ended) = extent(picture);
    let mut line = Line::new(canvas);
    line.plain(&format!("{}  {}  ", picture.workflow, picture.run));
    match StepState::from_name(&picture.state) {
        Some(state) => line.coloured(glyph::colour(state), &picture.state),
        None => line.plain(&picture.state),
    }
    line.plain(&format!(
        "  {over} of {} over{}{}",
        counts.total(),
        canvas.separator(),
        duration::spoken(ended - begun)
    ));
    for state in [StepState::Running, StepState::Queued, StepState::Failed] {
        if counts.of(state) > 0 {
            line.plain(canvas.separator());
            line.coloured(
                glyph::colour(state),
                &format!("{} {}", counts.of(state), state.name()),
            );
        }
    }
    line.write_to(drawing);
}
