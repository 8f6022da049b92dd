//! Where a scenario is played: it carries out the lines one by one and writes the transcript.

use std::collections::{BTreeMap, VecDeque};

use capataz_engine::{
    Attempt, Change, Command, Event, Key, LimitsInForce, NewTask, Next, Outcome, Policy, Reason,
    Report, Revival, Submission, Timestamp, Usage, outstanding,
};

use super::line::{Line, span};
use super::orders;
use super::owner::run_id;
use super::run_orders;
use super::words::{Names, answer};
use crate::witness::Witness;

/// When every story begins.
pub(crate) const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);
/// Where answers stand on a line.
const ANSWER_COLUMN: usize = 40;

/// Plays a scenario and returns its transcript: its own comments and commands, with what the
/// engine says to them now.
pub(crate) fn tell(text: &str) -> String {
    let mut stage = Stage {
        now: BEGIN,
        ..Stage::default()
    };
    let mut transcript = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  ")) {
        if line.is_empty() || line.starts_with('#') {
            transcript += &format!("{line}\n");
            continue;
        }
        let command = line.split(" -> ").next().unwrap_or(line).trim_end();
        let (said, shown) = stage.play(command);
        match said {
            Some(said) => transcript += &format!("{command:<ANSWER_COLUMN$} -> {said}\n"),
            None => transcript += &format!("{command}\n"),
        }
        for line in shown {
            transcript += &format!("  {line}\n");
        }
        stage.witness.check();
        if !text.contains("affinity=") {
            stage.witness.check_next_lease();
        }
        // Turns of runs that fan out are not durable.
        if !text.contains(" fan ") {
            let [live, restored] = stage.witness.next_due();
            assert_eq!(live, restored, "the same is due next");
        }
    }
    transcript
}

#[derive(Default)]
pub(super) struct Stage {
    pub(super) witness: Witness,
    now: Timestamp,
    pub(super) names: Names,
    epoch: u64,
    past: BTreeMap<Key, Past>,
    /// How often a run of a workflow is repeated.
    pub(super) repeats: BTreeMap<String, u32>,
}

/// What the store would remember of a task.
#[derive(Clone)]
struct Past {
    group: String,
    policy: Policy,
    task: NewTask,
    submitted_at: Timestamp,
    attempts: u32,
    rounds: u32,
}

/// What a line was answered, and what it brought about.
pub(super) type Played = (Option<String>, Vec<String>);

impl Stage {
    fn play(&mut self, text: &str) -> Played {
        let (head, graph) = match text.split_once(": ") {
            Some((head, graph)) => (head, Some(graph)),
            None => (text, None),
        };
        let line = Line::parse(head);
        match line.words()[..] {
            ["at", time] => {
                self.now = BEGIN + span(time);
                (None, Vec::new())
            }
            ["dispatch"] => (None, self.dispatch()),
            ["work"] => (None, self.work(u32::MAX)),
            ["work", "on", count] => (None, self.work(count.parse().expect("a number"))),
            ["restart"] => {
                self.witness.restart();
                (None, Vec::new())
            }
            ["outstanding"] => {
                let effects = outstanding(&self.witness.state);
                (
                    None,
                    effects
                        .iter()
                        .map(|effect| self.names.effect(effect))
                        .collect(),
                )
            }
            ["show", what, name] => (None, vec![self.show(what, name)]),
            ["why", "task", _] => (None, self.explain(line.key())),
            ["beside", "task", _, "attempt", _, "submit", ..] => {
                let (_, order) = text.split_once("submit").expect("a submission");
                let submission = orders::submission(&format!("submit{order}"));
                let by = line.token();
                let command = Command::SubmitBeside {
                    by,
                    submission: submission.clone(),
                };
                self.submit(command, submission)
            }
            ["submit", ..] => {
                let submission = orders::submission(text);
                self.submit(Command::Submit(submission.clone()), submission)
            }
            ["retry", "task", ..] => {
                let revival = self.revival(line.key());
                self.carry_out_line(&line, Command::Retry(revival))
            }
            ["new", "leader"] => {
                self.epoch += 1;
                self.lead(&line)
            }
            ["old", "leader"] => self.lead(&line),
            ["steps", ..] => (None, self.steps(&without(&line))),
            ["one", "step", ..] => (None, self.one_step(&without(&line)).unwrap_or_default()),
            ["go", ..] => (None, self.go(&without(&line))),
            ["finish" | "fail" | "cancel", step, "of", run] => {
                let command = self.about_step(step, run, &line);
                self.carry_out(command)
            }
            ["reopen", "run", run, ..] => {
                let archive = self.witness.archive(run_id(run));
                let reopening = run_orders::reopening(&line, archive);
                self.carry_out(Command::Reopen(reopening))
            }
            ["extend", "run", run, ..] => {
                let context = self.witness.state.run_context(run_id(run));
                let before = context.map(|context| context.version().clone());
                let (before, more) = (before.expect("it lives"), graph.expect("more steps"));
                let command = run_orders::extension(&line, run_id(run), &before, more);
                self.carry_out(command)
            }
            ["join", name, ..] => self.carry_out(Command::Join(orders::hello(name, &line))),
            _ => {
                if let (["put", name], Some(repeats)) = (&line.words()[..], line.number("repeats"))
                {
                    self.repeats.insert((*name).to_owned(), repeats);
                }
                if let Some(command) = run_orders::command(&line, graph) {
                    return self.carry_out(command);
                }
                let command = orders::simple(&line, |name| self.names.session(name));
                self.carry_out_line(&line, command)
            }
        }
    }

    /// The attempt of a step ends, or its task is cancelled alone.
    fn about_step(&self, step: &str, run: &str, line: &Line) -> Command {
        let words = line.words();
        if words.first() == Some(&"cancel") {
            let (key, note) = (self.task_of(step, run), String::new());
            return Command::Cancel { key, note };
        }
        let (key, attempt) = self.attempt_of(step, run);
        let failed = Outcome::Failed {
            reason: Reason::Error,
            fatal: false,
        };
        let value = line.text("value").unwrap_or_default().to_owned();
        Command::Report(Report {
            key,
            attempt,
            outcome: match words.first() {
                Some(&"fail") => failed,
                _ => Outcome::Succeeded,
            },
            output: Default::default(),
            value: value.into(),
            usage: Usage::default(),
        })
    }

    fn carry_out_line(&mut self, line: &Line, command: Command) -> Played {
        let request = orders::request(line);
        self.carry_out(match request {
            Some(request) => Command::Once {
                request,
                command: Box::new(command),
            },
            None => command,
        })
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Played {
        match self.witness.carry_out(self.now, command) {
            Err(rejection) => (Some(format!("refused: {rejection}")), Vec::new()),
            Ok(outcome) => {
                let mut lines = Vec::new();
                for event in &outcome.events {
                    self.note(event);
                    lines.push(self.names.event(event));
                }
                lines.extend(
                    outcome
                        .effects
                        .iter()
                        .map(|effect| self.names.effect(effect)),
                );
                (answer(&outcome.answer), lines)
            }
        }
    }

    fn submit(&mut self, command: Command, asked: Submission) -> Played {
        let first = self.witness.state.next_task();
        let played = self.carry_out(command);
        let accepted = self.witness.state.next_task().0 - first.0;
        // Only right for submissions that are new as a whole; retries are not told of others.
        for (offset, task) in asked.tasks.into_iter().take(accepted as usize).enumerate() {
            let past = Past {
                group: asked.groups[task.group as usize].clone(),
                policy: asked.policies[task.policy as usize],
                submitted_at: self.now,
                attempts: 0,
                rounds: 0,
                task,
            };
            let id = capataz_engine::TaskId(first.0 + offset as u64);
            self.past.insert(id.key(), past);
        }
        played
    }

    /// Remembers what a store would have to know for a retry.
    fn note(&mut self, event: &Event) {
        let (key, attempts, over) = match &event.change {
            Change::Leased { key, attempt, .. } => (*key, Some(*attempt), false),
            Change::AttemptEnded {
                key,
                next: Next::Over { .. },
                ..
            } => (*key, None, true),
            Change::Closed { key, .. } => (*key, None, true),
            _ => return,
        };
        let whole = self.past.get(&key.task().key()).cloned();
        let Some(whole) = whole else { return };
        let past = self.past.entry(key).or_insert(Past {
            attempts: 0,
            rounds: 0,
            ..whole
        });
        past.attempts = attempts.unwrap_or(past.attempts);
        past.rounds += u32::from(over);
    }

    fn revival(&self, key: Key) -> Revival {
        let past = self
            .past
            .get(&key)
            .or_else(|| self.past.get(&key.task().key()));
        let past = past.unwrap_or_else(|| panic!("the story never submitted task {key}"));
        Revival {
            key,
            group: past.group.clone(),
            policy: past.policy,
            priority: past.task.priority,
            affinity: past.task.affinity.clone(),
            submitted_at: past.submitted_at,
            attempts: past.attempts,
            rounds: past.rounds,
            dedup: past.task.dedup.map(|(key, _)| key),
        }
    }

    fn lead(&mut self, line: &Line) -> Played {
        let mut limits = LimitsInForce::default();
        limits.max_dedup_keys = line
            .number("max_dedup_keys")
            .map_or(limits.max_dedup_keys, u64::from);
        limits.max_request_ids = line
            .number("max_request_ids")
            .map_or(limits.max_request_ids, u64::from);
        let (epoch, writer) = (self.epoch, "leader".to_owned());
        self.carry_out(Command::StartEpoch {
            epoch,
            writer,
            limits,
        })
    }

    /// Leases until nothing can be leased.
    pub(super) fn dispatch(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while self.witness.state.can_dispatch() {
            let (_, leased) = self.carry_out(Command::Dispatch);
            assert!(
                !leased.is_empty(),
                "something can be leased, but nothing is"
            );
            lines.extend(leased);
        }
        lines
    }

    /// Dispatches and completes, the oldest lease first, until nothing is left or enough is done.
    fn work(&mut self, most: u32) -> Vec<String> {
        let (mut lines, mut done) = (Vec::new(), 0);
        let tokens = self.witness.state.lease_tokens();
        let mut running: VecDeque<(Key, Attempt)> = tokens.map(|(k, a, _)| (k, a)).collect();
        while done < most {
            while self.witness.state.can_dispatch() {
                let leased = self.witness.carry_out(self.now, Command::Dispatch);
                for event in leased.expect("dispatch is never refused").events {
                    self.note(&event);
                    let Change::Leased {
                        key,
                        attempt,
                        worker,
                    } = event.change
                    else {
                        continue;
                    };
                    lines.push(format!("{} runs task {key}", self.names.worker(worker)));
                    running.push_back((key, attempt));
                }
            }
            let Some((key, attempt)) = running.pop_front() else {
                break;
            };
            let report = Report {
                key,
                attempt,
                outcome: Outcome::Succeeded,
                output: Default::default(),
                value: bytes::Bytes::new(),
                usage: Usage::default(),
            };
            let ended = self.witness.carry_out(self.now, Command::Report(report));
            ended.expect("the lease is current");
            done += 1;
        }
        lines
    }
}

/// The steps whose conditions say no: `steps without a,b`.
fn without(line: &Line) -> Vec<String> {
    let names = line.follows("without").unwrap_or_default();
    names.split(',').map(str::to_owned).collect()
}
