//! The critical path: which steps the end of the run hung on.

use crate::picture::Picture;

/// For each step whether it is on the critical path.
///
/// The path is followed backwards: from the step that ended last, or runs now, to the one of those
/// it came after that ended last, until one came after nothing.
pub(crate) fn critical_path(picture: &Picture) -> Vec<bool> {
    let mut on_path = vec![false; picture.steps.len()];
    let end_of = |place: usize| {
        let step = &picture.steps[place];
        let running = step.started_at.map(|_| picture.now);
        step.finished_at.or(running)
    };
    let begun = (0..picture.steps.len()).filter(|place| picture.steps[*place].started_at.is_some());
    let mut next = begun.max_by_key(|place| end_of(*place));
    while let Some(place) = next {
        // A cycle ends where it began.
        if std::mem::replace(&mut on_path[place], true) {
            break;
        }
        let parents = picture.steps[place].after.iter().map(|(from, _)| *from);
        let parents = parents.filter(|from| *from < picture.steps.len());
        next = parents
            .filter(|from| end_of(*from).is_some())
            .max_by_key(|from| end_of(*from));
    }
    on_path
}
