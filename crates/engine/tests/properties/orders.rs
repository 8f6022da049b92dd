//! Commands at random: most of them make sense, some do not.

use bytes::Bytes;
use capataz_engine::{
    Attempt, Backoff, Command, Hello, Key, LimitsInForce, NewTask, NewToken, OnLost, Outcome,
    PodSettings, Policy, Reason, Report, Request, Revival, Role, Span, Submission, TaskId,
    Timestamp, TokenId, Usage, WorkerId,
};

use crate::chance::Chance;
use crate::model::Model;

/// Makes commands.
pub(crate) struct Orders {
    pub(crate) chance: Chance,
    /// Whether tasks and workers have affinity keys.
    pub(crate) affinity: bool,
    pub(crate) epoch: u64,
}

impl Orders {
    pub(crate) fn next(&mut self, now: Timestamp, model: &Model) -> Command {
        match self.chance.below(100) {
            0..20 => Command::Submit(self.submission(now)),
            20..32 => Command::Join(self.hello(model)),
            32..62 => Command::Report(self.report(model)),
            62..67 => {
                let (key, attempt) = self.token(model);
                Command::Start {
                    key,
                    attempt,
                    ago: Span::secs(self.chance.below(10)),
                }
            }
            67..72 => Command::Cancel {
                key: self.key(model),
                note: String::new(),
            },
            72..78 => self.retry(model),
            78..82 => self.settings(),
            82..98 => self.worker_order(model),
            98 => {
                self.epoch += 1;
                let limits = LimitsInForce {
                    max_dedup_keys: 5 + self.chance.below(20),
                    max_request_ids: 1 + self.chance.below(5),
                };
                Command::StartEpoch {
                    epoch: self.epoch,
                    writer: "w".to_owned(),
                    limits,
                }
            }
            _ => Command::RenewTerm,
        }
    }

    fn submission(&mut self, now: Timestamp) -> Submission {
        let groups = (0..2).map(|_| self.name("g", 4)).collect();
        let policies = (0..2).map(|_| self.policy()).collect();
        let tasks = (0..1 + self.chance.below(4))
            .map(|_| self.task(now))
            .collect();
        let request = self.chance.maybe(20, |chance| Request {
            id: chance.below(8).into(),
            content: chance.below(2).into(),
        });
        Submission {
            request,
            groups,
            policies,
            tasks,
        }
    }

    fn task(&mut self, now: Timestamp) -> NewTask {
        let affinity = match self.affinity {
            true => (0..self.chance.below(3))
                .map(|_| self.chance.below(4))
                .collect(),
            false => Vec::new(),
        };
        let chance = &mut self.chance;
        let later = |chance: &mut Chance| now + Span::secs(chance.below(60));
        NewTask {
            // Now and then beyond the list.
            group: if chance.percent(1) {
                2
            } else {
                chance.below(2) as u32
            },
            policy: if chance.percent(1) {
                u32::MAX
            } else {
                chance.below(2) as u32
            },
            priority: if chance.percent(1) {
                200
            } else {
                4 + chance.below(3) as u8
            },
            count: chance.maybe(15, |chance| chance.below(6) as u32),
            not_before: chance.maybe(15, later),
            delay: None,
            expires_at: chance.maybe(15, later),
            expires_in: None,
            dedup: chance.maybe(15, |chance| {
                (chance.below(6).into(), chance.below(2).into())
            }),
            affinity,
            body: Bytes::new(),
        }
    }

    fn policy(&mut self) -> Policy {
        let chance = &mut self.chance;
        Policy {
            max_attempts: chance.below(4) as u32,
            max_lost: chance.below(3) as u32,
            backoff: Backoff {
                initial: Span::secs(chance.below(20)),
                factor_percent: chance.below(400) as u32,
                cap: Span::secs(chance.below(60)),
                jitter_percent: chance.below(256) as u8,
            },
            timeout: chance.maybe(30, |chance| Span::secs(chance.below(60))),
        }
    }

    fn hello(&mut self, model: &Model) -> Hello {
        let remember = if self.affinity {
            self.chance.below(4) as u32
        } else {
            0
        };
        let name = self.name("w", 6);
        let known = model.workers.iter().find(|(_, worker)| worker.name == name);
        let id = known.map(|(id, _)| *id);
        let holds = |worker| Some(worker) == id;
        let leases = model.leases.iter().filter(|(_, lease)| holds(lease.worker));
        let mut running: Vec<(Key, Attempt)> = leases.map(|(token, _)| *token).collect();
        running.retain(|_| self.chance.percent(80));
        if self.chance.percent(20) {
            running.push(self.token(model));
        }
        let groups = (0..1 + self.chance.below(3))
            .map(|_| self.name("g", 4))
            .collect();
        let pod = self.name("p", 4);
        let chance = &mut self.chance;
        Hello {
            name,
            incarnation: 1 + u128::from(chance.below(10) / 5),
            connection: 0,
            host: format!("h{}", chance.below(10) / 8),
            build: String::new(),
            pod,
            pod_slots: chance.maybe(50, |chance| chance.below(4) as u32),
            groups,
            concurrency: chance.below(4) as u32,
            polling: chance.percent(30),
            remember,
            affinity: Vec::new(),
            running,
        }
    }

    fn report(&mut self, model: &Model) -> Report {
        let (key, attempt) = self.token(model);
        let outcome = match self.chance.below(10) {
            0..5 => Outcome::Succeeded,
            5..8 => Outcome::Failed {
                reason: Reason::Error,
                fatal: self.chance.percent(20),
            },
            8 => Outcome::Again {
                after: Span::secs(self.chance.below(30)),
            },
            _ => Outcome::Released,
        };
        Report {
            key,
            attempt,
            outcome,
            output: Bytes::new(),
            value: bytes::Bytes::new(),
            usage: Usage::default(),
        }
    }

    fn retry(&mut self, model: &Model) -> Command {
        let key = self.key(model);
        let Some(unit) = model.units.get(&key) else {
            return Command::Cancel {
                key,
                note: String::new(),
            };
        };
        Command::Retry(Revival {
            key,
            group: model.groups[&unit.group].name.clone(),
            policy: unit.policy,
            priority: unit.priority,
            affinity: unit.affinity.clone(),
            submitted_at: unit.submitted_at,
            attempts: unit.attempts,
            rounds: unit.rounds,
            dedup: unit.dedup,
        })
    }

    fn settings(&mut self) -> Command {
        let group = self.name("g", 4);
        let pod = self.name("p", 4);
        let chance = &mut self.chance;
        match chance.below(5) {
            3 => Command::CreateToken(NewToken {
                id: TokenId(chance.below(6)),
                hash: [0; 32],
                name: String::new(),
                role: match chance.below(4) {
                    0 => Role::Admin,
                    1 => Role::Viewer,
                    // Refused when there is none.
                    groups => Role::Worker {
                        groups: vec![group; groups as usize - 2],
                    },
                },
                expires_in: chance.maybe(50, |chance| Span::secs(chance.below(100_000))),
            }),
            4 => Command::RevokeToken {
                id: TokenId(chance.below(6)),
            },
            0 => Command::SetGroup {
                group,
                max_running: chance.maybe(60, |chance| chance.maybe(50, |c| c.below(4) as u32)),
                paused: chance.maybe(40, |chance| chance.percent(30)),
            },
            1 => Command::ReleasePod { pod },
            _ => {
                let settings = PodSettings {
                    slots: chance.maybe(50, |chance| chance.below(5) as u32),
                    on_lost: chance.maybe(50, |chance| match chance.percent(50) {
                        true => OnLost::Hold,
                        false => OnLost::Time,
                    }),
                    paused: chance.maybe(40, |chance| chance.percent(30)),
                };
                Command::SetPod { pod, settings }
            }
        }
    }

    fn worker_order(&mut self, model: &Model) -> Command {
        let worker = self.worker(model);
        let poll = self.chance.below(4).into();
        match self.chance.below(20) {
            0..8 => Command::Poll {
                worker,
                poll,
                max: self.chance.below(4) as u32,
            },
            8 => Command::EndPoll { worker, poll },
            9..11 => Command::Detach { worker },
            11..13 => Command::Leave { worker },
            13..15 => Command::LoseWorker { worker },
            15 => Command::Drain {
                worker,
                on: self.chance.percent(50),
            },
            16 if self.affinity => {
                let keys = (0..self.chance.below(3))
                    .map(|_| self.chance.below(4))
                    .collect();
                Command::Announce { worker, keys }
            }
            _ => {
                let (key, attempt) = self.token(model);
                Command::LoseLease { key, attempt }
            }
        }
    }

    /// Mostly a lease in force, sometimes one of the past, sometimes nonsense.
    fn token(&mut self, model: &Model) -> (Key, Attempt) {
        let leases: Vec<(Key, Attempt)> = model.leases.keys().copied().collect();
        if self.chance.percent(85)
            && let Some(token) = self.chance.one_of(&leases)
        {
            return token;
        }
        (self.key(model), self.chance.below(4) as u32)
    }

    fn key(&mut self, model: &Model) -> Key {
        let keys: Vec<Key> = model.units.keys().copied().collect();
        match (self.chance.below(20), self.chance.one_of(&keys)) {
            (0, _) | (_, None) => Key::from_raw(self.chance.next()),
            (1, _) => TaskId(self.chance.below(1 << 40)).key(),
            // An array as a whole, when the key is an element.
            (2, Some(key)) => key.task().key(),
            (_, Some(key)) => key,
        }
    }

    fn worker(&mut self, model: &Model) -> WorkerId {
        let workers: Vec<WorkerId> = model.workers.keys().copied().collect();
        match self.chance.percent(95) {
            true => self.chance.one_of(&workers).unwrap_or(WorkerId(0)),
            false => WorkerId(self.chance.next() as u32),
        }
    }

    fn name(&mut self, letter: &str, many: u64) -> String {
        format!("{letter}{}", self.chance.below(many))
    }
}
