//! What clients ask for about workflows and runs.

use bytes::Bytes;
use capataz_engine::{Command, NewRun, Reopening, Request, RunId, StartRun, Which};
use capataz_server::convert;
use capataz_server::workflow::{Wishes, new_run};
use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::client::{CallId, Kind, Told};
use crate::world::World;

/// Keys for runs that clients choose from: few, so that they meet.
const RUN_KEYS: u64 = 12;
/// Numbers of runs from here on belong to their keys.
const KEYED_NUMBERS: u64 = 1 << 41;
/// Conflict keys that runs choose from.
const CONFLICT_KEYS: u64 = 2;

/// A run that a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct RunAsk {
    pub(crate) flow: usize,
    /// It follows the registered version, whatever that is, and not the client's own.
    registered: bool,
    waits: bool,
    pub(crate) run: NewRun,
}

impl World {
    pub(crate) fn draw_run_call(&mut self, client: usize) -> Kind {
        let known = &self.clients[client].runs;
        let run = (!known.is_empty()).then(|| known[self.chance.index(known.len())]);
        let flow = self.chance.index(self.flows.len());
        match (self.chance.below(100), run) {
            (0..8, Some(run)) => Kind::CancelRun { run },
            (8..18, Some(run)) => Kind::PauseRun {
                run,
                on: self.chance.percent(60),
            },
            (18..30, Some(run)) => self.draw_reopening(run),
            // A step's task ends alone.
            (30..35, Some(run)) => match self.ledger.live_task_of(run) {
                Some(task) => Kind::Cancel { task },
                None => Kind::Count,
            },
            (35..42, _) => Kind::Register {
                flow,
                on: self.chance.percent(80),
            },
            _ if self.is_busy() => Kind::Count,
            _ => self.draw_run(flow),
        }
    }

    fn draw_reopening(&mut self, run: u64) -> Kind {
        let steps = self.ledger.steps_of(run);
        let chosen = steps > 0 && self.chance.percent(50);
        let step = chosen.then(|| format!("s{}", self.chance.index(steps)));
        Kind::Reopen {
            run,
            step,
            descendants: self.chance.percent(70),
        }
    }

    fn draw_run(&mut self, flow: usize) -> Kind {
        if self.chance.percent(25) {
            // What is asked for follows from the key, most of the time.
            let (key, variant) = (
                self.chance.below(RUN_KEYS),
                u64::from(self.chance.percent(10)),
            );
            let number = KEYED_NUMBERS + key * 2 + variant;
            let mut own = Chance::new(number);
            let flow = own.index(self.flows.len());
            let content = convert::hash(&number.to_be_bytes());
            return self.run_ask(
                &mut own,
                flow,
                number,
                Some((format!("key {key}"), content)),
            );
        }
        self.last_number += 1;
        let mut own = Chance::new(self.chance.next());
        self.run_ask(&mut own, flow, self.last_number, None)
    }

    fn run_ask(
        &mut self,
        chance: &mut Chance,
        flow: usize,
        number: u64,
        key: Option<(String, u128)>,
    ) -> Kind {
        let list: Vec<u64> = (0..chance.below(5)).collect();
        let given = json!({ "number": number, "n": chance.below(4), "list": list });
        let given: Map<String, Value> = given.as_object().cloned().unwrap_or_default();
        let wishes = Wishes {
            conflict: chance
                .percent(30)
                .then(|| format!("c{}", chance.below(CONFLICT_KEYS))),
            priority: Some(chance.between(1, 9) as u8),
            key,
            ..Wishes::default()
        };
        self.ledger.expect(number);
        match new_run(&self.flows[flow].1.workflow, &given, wishes) {
            Ok(run) => Kind::StartRun(Box::new(RunAsk {
                flow,
                registered: chance.percent(30),
                waits: chance.percent(70),
                run,
            })),
            Err(error) => {
                self.violate(format!("a run is refused: {error}"));
                Kind::Count
            }
        }
    }

    /// What a call about a run asks of the owner.
    pub(crate) fn run_command(&self, kind: &Kind, request: Request) -> Option<Command> {
        let once = |command| Command::Once {
            request,
            command: Box::new(command),
        };
        Some(match kind {
            Kind::Register { flow, on } => {
                let (flow, compiled) = &self.flows[*flow];
                let name = flow.name.clone();
                once(match on {
                    true => Command::PutWorkflow {
                        name,
                        version: Box::new(compiled.version.clone()),
                    },
                    false => Command::RemoveWorkflow { name },
                })
            }
            Kind::StartRun(ask) => {
                let (flow, compiled) = &self.flows[ask.flow];
                Command::StartRun(Box::new(StartRun {
                    request: Some(request),
                    workflow: flow.name.clone(),
                    version: match ask.registered {
                        true => Which::Registered(None),
                        false => Which::Given(Box::new(compiled.version.clone())),
                    },
                    run: ask.run.clone(),
                    waits_for_conflict: ask.waits,
                }))
            }
            Kind::CancelRun { run } => once(Command::CancelRun {
                run: RunId(*run),
                note: String::new(),
            }),
            Kind::PauseRun { run, on } => once(Command::PauseRun {
                run: RunId(*run),
                on: *on,
            }),
            _ => return None,
        })
    }

    /// What a call asks for that runs steps once more; `None` when the store, as far as it is, has
    /// nothing of its run.
    pub(crate) fn reopening(&self, kind: &Kind) -> Option<Reopening> {
        let Kind::Reopen {
            run,
            step,
            descendants,
        } = kind
        else {
            return None;
        };
        let process = self.master.process.as_ref()?;
        let (state, id) = (process.owner.state(), RunId(*run));
        let archive = match state.run_context(id) {
            Some(_) => None,
            None => {
                let fresh = state.run_archive(id).map(Bytes::copy_from_slice);
                let caught_up = self.master.store.position() >= process.owner.tail();
                let kept = || caught_up.then(|| self.master.store.archive(id)).flatten();
                Some(fresh.or_else(kept)?)
            }
        };
        Some(Reopening {
            run: id,
            archive,
            steps: step.clone().map(|step| vec![step]),
            descendants: *descendants,
        })
    }

    /// The store has everything, but for what it is to keep of a run that has ended.
    pub(crate) fn no_archive(&mut self, id: CallId, run: u64) {
        if !self.is_superseded() {
            return self.violate(format!("nothing was kept of run r{run}, which has ended"));
        }
        self.answer(id, Told::Later);
    }
}
