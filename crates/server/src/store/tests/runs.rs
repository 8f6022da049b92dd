//! Runs, their steps and the audit trail, from the engine's events to the store and back.

use std::time::Duration;

use capataz_engine::{
    Command, NodeKind, On, Outcome, Phase, Reopening, RunId, RunPhase, RunReason, Timestamp,
};

use super::driver::{Driver, TestStore};
use super::run_driver::{failed, forked, node, version};
use crate::store::{Action, AuditFilter, AuditRecord, Keep, RunFilter, StepRecord};

fn steps(store: &TestStore, run: RunId) -> Vec<StepRecord> {
    let page = store.reader.run_steps(run, 0, 1_000).unwrap().unwrap();
    assert_eq!(page.next, None);
    page.items
}

fn states(store: &TestStore, run: RunId) -> Vec<String> {
    let word = |step: StepRecord| {
        let reason = match step.reason {
            "" => String::new(),
            reason => format!(" {reason}"),
        };
        format!("{} {}{reason}", step.node.name, step.phase.name())
    };
    steps(store, run).into_iter().map(word).collect()
}

fn lines(store: &TestStore, filter: AuditFilter) -> Vec<AuditRecord> {
    let limit = 10_000;
    store
        .reader
        .audit(&AuditFilter { limit, ..filter })
        .unwrap()
}

fn of_run(store: &TestStore, run: RunId) -> Vec<AuditRecord> {
    let run = Some(run);
    lines(
        store,
        AuditFilter {
            run,
            ..AuditFilter::default()
        },
    )
}

/// Nothing goes.
const EVERYTHING: Keep = Keep {
    max_age: Duration::from_secs(u32::MAX as u64),
    max_tasks: u64::MAX,
    max_runs: u64::MAX,
};

fn retain(driver: &Driver, store: &mut TestStore, keep: &Keep) {
    while !store.projector.retain(driver.now, keep).unwrap() {}
}

#[test]
fn a_run_is_there_from_start_to_end() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let run = driver.start_run("etl", forked(), "nightly");
    store.project(driver.cut(true));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!((record.phase, record.steps), (RunPhase::Queued, 5));
    assert_eq!(record.counts(Phase::Blocked), 5);
    assert_eq!((record.workflow.as_str(), record.version), ("etl", 1));
    assert_eq!(record.tags, ["nightly"]);

    driver.advance();
    store.project(driver.cut(true));
    let begun = [
        "a queued",
        "b blocked",
        "f blocked",
        "n blocked",
        "c blocked",
    ];
    assert_eq!(states(&store, run), begun);
    let first = steps(&store, run).remove(0);
    let task = store.reader.task(first.task.unwrap()).unwrap().unwrap();
    let step = task.step.unwrap();
    assert_eq!((step.run, step.step, step.element), (run, 0, None));

    driver.join("w", 10, &["g"]);
    driver.work(|_| Outcome::Succeeded);
    store.project(driver.cut(true));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!(record.phase, RunPhase::Succeeded);
    assert_eq!(record.counts(Phase::Succeeded), 4);
    assert_eq!(record.counts(Phase::Skipped), 1);
    assert_eq!(record.finished_at, Some(driver.now));
    let all = steps(&store, run);
    assert_eq!(all[4].upstream.as_deref(), Some("b"));
    let fan = all[2].fan.unwrap();
    assert_eq!(
        (fan.count, fan.started, fan.succeeded, fan.failed),
        (3, 3, 3, 0)
    );
    assert_eq!((all[0].attempt, all[0].worker.as_str()), (1, "w"));
    assert!(all[3].started_at.is_some(), "a noop has times");
    assert!(store.reader.run_archive(run).unwrap().is_some());

    let (_, _, state) = store.reopen();
    assert_eq!(state.hash(), driver.state.hash());
}

#[test]
fn what_failed_says_why_and_lives_again() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let run = driver.start_run("etl", forked(), "t");
    driver.work(|step| {
        if step == 1 {
            failed()
        } else {
            Outcome::Succeeded
        }
    });
    store.project(driver.cut(true));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!(record.phase, RunPhase::Failed);
    assert_eq!(record.reason, RunReason::StepFailed);
    let ended = [
        "a succeeded",
        "b failed error",
        "f succeeded",
        "n skipped upstream",
        "c succeeded",
    ];
    assert_eq!(states(&store, run), ended);
    let before = driver.now;

    driver.run(Command::Reopen(Reopening {
        run,
        archive: store.reader.run_archive(run).unwrap(),
        steps: None,
        descendants: true,
    }));
    store.project(driver.cut(true));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!((record.phase, record.round), (RunPhase::Running, 2));
    assert_eq!(record.finished_at, None);
    driver.work(|_| Outcome::Succeeded);
    store.project(driver.cut(true));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!(record.phase, RunPhase::Succeeded);
    let again = &steps(&store, run)[1];
    assert_eq!((again.round, again.phase), (2, Phase::Succeeded));

    let (then, page) = store.reader.run_at(run, before, 0, 100).unwrap().unwrap();
    assert_eq!((then.phase, then.round), (RunPhase::Failed, 1));
    let then: Vec<&str> = page.items.iter().map(|step| step.phase.name()).collect();
    assert_eq!(
        then,
        ["succeeded", "failed", "succeeded", "skipped", "succeeded"]
    );
}

#[test]
fn the_audit_trail_has_every_transition_in_order() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let two = version(vec![
        node("a", &[], NodeKind::Task),
        node("b", &[(0, On::Success)], NodeKind::Noop),
    ]);
    let run = driver.start_run("w", two, "t");
    driver.work(|_| Outcome::Succeeded);
    store.project(driver.cut(true));
    let trail = of_run(&store, run);
    let words: Vec<String> = trail
        .iter()
        .map(|line| {
            let state = |phase: Option<Phase>| phase.map_or("-", Phase::name);
            let step = line.step.as_deref().unwrap_or("-");
            let (from, to) = (state(line.from), state(line.to));
            format!("{} {} {step} {from} {to}", line.actor, line.action.name())
        })
        .collect();
    assert_eq!(
        words,
        [
            "ann run_started - - queued",
            "capataz run_began - queued running",
            "capataz step_queued a blocked queued",
            "capataz attempt_leased a queued running",
            "capataz attempt_ended a running succeeded",
            "capataz step_ended a running succeeded",
            "capataz step_ended b blocked succeeded",
            "capataz run_ended - running succeeded",
        ]
    );
    assert!(
        trail
            .windows(2)
            .all(|two| two[0].seq < two[1].seq && two[0].at <= two[1].at)
    );
    let from_then = lines(
        &store,
        AuditFilter {
            since: Some(trail[3].at),
            ..AuditFilter::default()
        },
    );
    assert_eq!(from_then.first().map(|line| line.seq), Some(trail[3].seq));
}

/// Lines of many runs come in one transaction, in more than one part of it.
#[test]
fn the_audit_trail_is_read_in_order_from_anywhere() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let mut runs = Vec::new();
    for count in [1, 230, 2] {
        runs.extend((0..count).map(|_| driver.start_run("etl", forked(), "t")));
        driver.work(|_| Outcome::Succeeded);
        store.project(driver.cut(true));
    }
    let all = lines(&store, AuditFilter::default());
    assert_eq!(all.len() as u64, store.reader.last_audit().unwrap());
    assert!(all.len() > 4_096, "one part would do for {}", all.len());
    let follow = |two: &[AuditRecord]| two[0].seq + 1 == two[1].seq && two[0].at <= two[1].at;
    assert!(all.windows(2).all(follow));
    let matching = |fits: &dyn Fn(&AuditRecord) -> bool| {
        let found = all.iter().filter(|line| fits(line)).cloned();
        found.collect::<Vec<_>>()
    };
    let filter = AuditFilter::default;
    for line in all.iter().step_by(397).chain(all.last()) {
        let (seq, at) = (line.seq, line.at);
        let after = AuditFilter {
            after: seq,
            ..filter()
        };
        assert_eq!(lines(&store, after), matching(&|line| line.seq > seq));
        let limit = AuditFilter { limit: 3, ..after };
        let some = store.reader.audit(&limit).unwrap();
        assert_eq!(
            some,
            all[seq as usize..]
                .iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
        );
        let since = Some(at);
        let then = AuditFilter { since, ..filter() };
        assert_eq!(lines(&store, then), matching(&|line| line.at >= at));
        let until = Some(at);
        let before = AuditFilter { until, ..filter() };
        assert_eq!(lines(&store, before), matching(&|line| line.at < at));
        let run = line.run;
        let of_run = AuditFilter { run, ..after };
        assert_eq!(
            lines(&store, of_run),
            matching(&|line| line.seq > seq && line.run == run)
        );
    }
    let each: usize = runs.iter().map(|run| of_run(&store, *run).len()).sum();
    assert_eq!(each, all.len(), "every line is about a run");
}

#[test]
fn a_run_is_shown_as_it_stood_at_any_time() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 2, &["g"]);
    let run = driver.start_run("etl", forked(), "t");
    let mut seen: Vec<(Timestamp, Vec<Phase>, RunPhase)> = Vec::new();
    let mut look = |driver: &mut Driver, store: &mut TestStore| {
        store.project(driver.cut(true));
        let record = store.reader.run(run).unwrap().unwrap();
        let phases = steps(store, run).iter().map(|step| step.phase).collect();
        seen.push((driver.now, phases, record.phase));
    };
    look(&mut driver, &mut store);
    driver.advance();
    look(&mut driver, &mut store);
    for _ in 0..10 {
        driver.dispatch_all();
        look(&mut driver, &mut store);
        let leases = driver.leases();
        for lease in leases {
            let (_, step, _) = driver.state.step_of(lease.0.task()).unwrap();
            let outcome = if step == 1 {
                failed()
            } else {
                Outcome::Succeeded
            };
            driver.report(lease, outcome);
        }
        look(&mut driver, &mut store);
        driver.advance();
        look(&mut driver, &mut store);
    }
    assert_eq!(seen.last().map(|last| last.2), Some(RunPhase::Failed));
    for (at, phases, phase) in seen {
        let (then, page) = store.reader.run_at(run, at, 0, 100).unwrap().unwrap();
        let then_phases: Vec<Phase> = page.items.iter().map(|step| step.phase).collect();
        assert_eq!((then.phase, then_phases), (phase, phases), "at {at:?}");
    }
    let before = Timestamp(driver.now.0 - 3_600_000_000);
    assert!(store.reader.run_at(run, before, 0, 100).unwrap().is_none());
}

#[test]
fn a_paused_run_holds_its_waiting_tasks() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let run = driver.start_run("etl", forked(), "t");
    driver.advance();
    store.project(driver.cut(true));
    driver.run(Command::PauseRun { run, on: true });
    store.project(driver.cut(true));
    let held = &steps(&store, run)[0];
    assert_eq!((held.phase, held.reason), (Phase::Scheduled, "run_paused"));
    let record = store.reader.run(run).unwrap().unwrap();
    assert_eq!(record.reason, RunReason::Paused);
    driver.run(Command::PauseRun { run, on: false });
    store.project(driver.cut(true));
    assert_eq!(steps(&store, run)[0].phase, Phase::Queued);
    let actions: Vec<Action> = of_run(&store, run).iter().map(|line| line.action).collect();
    let pause = [
        Action::RunPaused,
        Action::TaskHeld,
        Action::RunResumed,
        Action::TaskReleased,
    ];
    assert!(actions.ends_with(&pause), "{actions:?}");
}

#[test]
fn lists_find_runs_by_workflow_state_tag_and_time() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let one = || version(vec![node("a", &[], NodeKind::Task)]);
    let first = driver.start_run("x", one(), "t");
    driver.work(|_| Outcome::Succeeded);
    let since = driver.now;
    driver.now = driver.now + capataz_engine::Span::secs(1);
    let second = driver.start_run("x", one(), "u");
    let third = driver.start_run("y", one(), "t");
    store.project(driver.cut(true));
    let find = |filter: RunFilter| {
        let limit = 10;
        let page = store.reader.runs(&RunFilter { limit, ..filter }).unwrap();
        page.items.iter().map(|run| run.id).collect::<Vec<_>>()
    };
    let filter = RunFilter::default;
    assert_eq!(find(filter()), [third, second, first]);
    let workflow = Some("x".to_owned());
    assert_eq!(
        find(RunFilter {
            workflow,
            ..filter()
        }),
        [second, first]
    );
    let tag = Some("t".to_owned());
    assert_eq!(
        find(RunFilter {
            tag: tag.clone(),
            ..filter()
        }),
        [third, first]
    );
    let states = vec![RunPhase::Succeeded];
    assert_eq!(
        find(RunFilter {
            states: states.clone(),
            ..filter()
        }),
        [first]
    );
    let live = vec![RunPhase::Queued, RunPhase::Running];
    assert_eq!(
        find(RunFilter {
            states: live,
            ..filter()
        }),
        [third, second]
    );
    let since = Some(since);
    assert_eq!(
        find(RunFilter {
            since,
            tag,
            ..filter()
        }),
        [third]
    );
    let before = Some(second);
    assert_eq!(
        find(RunFilter {
            before,
            states,
            ..filter()
        }),
        [first]
    );
}

#[test]
fn steps_are_expected_to_take_what_they_took() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let names = ["a", "b", "f", "nothing"];
    assert_eq!(store.reader.expected("etl", &names).unwrap(), [0, 0, 0, 0]);
    driver.start_run("etl", forked(), "t");
    driver.work(|_| Outcome::Succeeded);
    store.project(driver.cut(true));
    let expected = store.reader.expected("etl", &names).unwrap();
    // Reports say 100 microseconds; what takes less than a millisecond takes one.
    assert_eq!((expected[0], expected[1], expected[3]), (1, 1, 0));
    assert!(expected[2] > 0, "a fan-out takes from its items to its end");
    assert_eq!(store.reader.expected("other", &names).unwrap(), [0; 4]);
}

#[test]
fn a_run_goes_whole_and_only_when_it_has_ended_for_long() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 10, &["g"]);
    let old = driver.start_run("etl", forked(), "t");
    driver.work(|_| Outcome::Succeeded);
    let live = driver.start_run("other", forked(), "t");
    driver.advance();
    driver.run(Command::By {
        actor: "ann".into(),
        command: Box::new(Command::SetGroup {
            group: "g".into(),
            max_running: Some(Some(3)),
            paused: None,
        }),
    });
    store.project(driver.cut(true));
    let rows = |store: &TestStore| {
        let all = lines(store, AuditFilter::default());
        all.iter().filter(|line| line.run.is_none()).count()
    };
    assert_eq!(rows(&store), 1);
    let hour = Keep {
        max_age: Duration::from_secs(3600),
        ..EVERYTHING
    };
    retain(&driver, &mut store, &hour);
    assert!(store.reader.run(old).unwrap().is_some());
    driver.now = driver.now + capataz_engine::Span::secs(7200);
    retain(&driver, &mut store, &hour);
    assert_eq!(store.reader.run(old).unwrap(), None);
    assert_eq!(of_run(&store, old), []);
    assert_eq!(rows(&store), 0);
    assert_eq!(store.reader.run_archive(old).unwrap(), None);
    assert_eq!(store.reader.workflow("etl", 10).unwrap(), None);
    assert_eq!(states(&store, live)[0], "a queued");
    assert_eq!(store.reader.total_counts().unwrap().finished(), 0);
}

#[test]
fn tasks_of_a_live_run_stay_however_old_they_are() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 1, &["g"]);
    let run = driver.start_run("etl", forked(), "t");
    driver.advance();
    driver.dispatch_all();
    driver.report(driver.leases()[0], Outcome::Succeeded);
    driver.advance();
    store.project(driver.cut(true));
    driver.now = driver.now + capataz_engine::Span::secs(7200);
    let nothing = Keep {
        max_age: Duration::from_secs(60),
        max_tasks: 0,
        max_runs: 0,
    };
    retain(&driver, &mut store, &nothing);
    let first = &steps(&store, run)[0];
    assert_eq!((first.phase, first.attempt), (Phase::Succeeded, 1));
}

#[test]
fn of_too_many_ended_runs_the_oldest_go_whole_and_live_ones_stay() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let live = driver.start_run("held", forked(), "t");
    let ended: Vec<RunId> = (0..3)
        .map(|_| driver.start_run("etl", forked(), "t"))
        .collect();
    driver.advance();
    for id in &ended {
        driver.run(Command::CancelRun {
            run: *id,
            note: String::new(),
        });
    }
    driver.advance();
    store.project(driver.cut(true));
    let two = Keep {
        max_runs: 2,
        ..EVERYTHING
    };
    retain(&driver, &mut store, &two);
    let left = |id: &RunId| store.reader.run(*id).unwrap().is_some();
    assert_eq!(
        ended.iter().map(left).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert!(left(&live));
    assert_eq!(of_run(&store, ended[0]), []);
    assert!(!of_run(&store, ended[1]).is_empty());
}
