//! Whether the store says what the engine says.

use capataz_engine::{Phase, Reason, RunId, RunPhase, RunReason, State, TaskId, Timestamp};

use crate::store::{Reader, RunRecord, TaskRecord};

/// Every row says what the engine says of the same task, and the counts are those of the rows.
pub(super) fn assert_rows(state: &State, reader: &Reader) {
    let mut counted = [0_u64; Phase::ALL.len()];
    for id in (1..state.next_task().0).map(TaskId) {
        if let Some(run) = reader.run(RunId(id.0)).unwrap() {
            assert_run(state, reader, &run);
            continue;
        }
        let task = reader.task(id.key()).unwrap().expect("no task is lost");
        let Some(elements) = task.elements else {
            assert_same(state, &task);
            counted[task.phase as usize] += 1;
            continue;
        };
        assert_eq!(
            state.task_view(id.key()).is_some(),
            task.phase.is_live(),
            "array {id}"
        );
        let mut of = [0; Phase::ALL.len()];
        for index in 0..elements.count {
            let element = reader
                .task(id.element(index))
                .unwrap()
                .expect("it is in the array");
            assert_same(state, &element);
            of[element.phase as usize] += 1;
            counted[element.phase as usize] += 1;
        }
        for phase in Phase::ALL {
            assert_eq!(
                elements.of(phase),
                of[phase as usize],
                "array {id}, {phase:?}"
            );
        }
        assert!(reader.task(id.element(elements.count)).unwrap().is_none());
    }
    let totals = reader.total_counts().unwrap();
    for phase in Phase::ALL {
        assert_eq!(totals.of(phase), counted[phase as usize], "{phase:?}");
    }
}

/// A run and its steps are what the engine says they are, now and by the audit trail.
fn assert_run(state: &State, reader: &Reader, run: &RunRecord) {
    let id = run.id;
    let page = reader.run_steps(id, 0, 1_000).unwrap().unwrap();
    let now = Timestamp(u64::MAX - 1);
    let (then, steps) = reader.run_at(id, now, 0, 1_000).unwrap().unwrap();
    assert_eq!(then.phase, run.phase, "{id}");
    for (step, then) in page.items.iter().zip(&steps.items) {
        assert_eq!(
            (step.phase, step.round),
            (then.phase, then.round),
            "{id} {step:?}"
        );
        assert_eq!(step.fan, then.fan, "{id} {step:?}");
    }
    let mut counted = [0_u32; Phase::ALL.len()];
    for step in &page.items {
        let phase = match step.phase {
            phase if step.phase.is_live() && phase != Phase::Blocked => Phase::Running,
            phase => phase,
        };
        counted[phase as usize] += 1;
    }
    for phase in Phase::ALL {
        assert_eq!(run.counts(phase), counted[phase as usize], "{id} {phase:?}");
    }
    let Some(context) = state.run_context(id) else {
        assert!(!run.phase.is_live() && run.finished_at.is_some(), "{id}");
        assert!(page.items.iter().all(|step| !step.phase.is_live()), "{id}");
        return;
    };
    let view = state.run_view(id, 1_000).expect("it lives");
    assert_eq!((run.phase, run.finished_at), (view.phase, None), "{id}");
    let paused = run.phase == RunPhase::Running && run.reason == RunReason::Paused;
    assert_eq!(paused, view.reason == RunReason::Paused, "{id}");
    for step in &page.items {
        let phase = match context.step_state(step.number) {
            // It may start: nothing on record says so.
            "queued" => "blocked",
            phase => phase,
        };
        let shown = match step.phase.is_live() && step.phase != Phase::Blocked {
            true => "running",
            false => step.phase.name(),
        };
        assert_eq!(shown, phase, "{id} {step:?}");
    }
}

fn assert_same(state: &State, task: &TaskRecord) {
    match state.task_view(task.key) {
        Some(view) => {
            assert_eq!(
                (task.phase, task.reason),
                (view.phase, view.reason),
                "{}",
                task.key
            );
            assert_eq!(task.attempt, view.attempts, "{}", task.key);
            assert_eq!(task.group, view.group);
            // What waits for its run waits for no time.
            let until = view.until.filter(|_| view.reason != Reason::Paused);
            assert_eq!(
                task.until.filter(|_| view.reason != Reason::Paused),
                until,
                "{}",
                task.key
            );
            assert_eq!(task.finished_at, None, "{}", task.key);
        }
        None => {
            assert!(!task.phase.is_live(), "{} is {:?}", task.key, task.phase);
            assert!(task.finished_at > Some(Timestamp(0)), "{}", task.key);
        }
    }
}
