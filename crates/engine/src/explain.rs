//! Why a task is not running: every reason that holds, not just the first.

use crate::id::{GroupId, Key};
use crate::reason::{Phase, Reason};
use crate::run::RunId;
use crate::state::{Pod, State, Task, Worker, place};
use crate::time::Timestamp;

/// Places of a queue that are looked at to say which one a task has: an explanation stays short work
/// with millions waiting.
pub const PLACES: u64 = 1_000;

/// Everything that keeps a live task from running; empty when its turn is next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Its state.
    pub phase: Phase,
    /// What stands in its way.
    pub obstacles: Vec<Obstacle>,
}

/// One thing in a task's way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// It waits for a time.
    NotBefore(Timestamp),
    /// The run that it is a step of is paused.
    RunPaused {
        /// Which.
        run: RunId,
    },
    /// Its group is paused.
    GroupPaused,
    /// Its group runs as much as it may.
    GroupAtLimit {
        /// The bound.
        max_running: u32,
    },
    /// No worker of its group is known.
    NoWorker,
    /// A worker of its group is not connected.
    WorkerDetached {
        /// Its name.
        worker: String,
    },
    /// A worker of its group drains.
    WorkerDraining {
        /// Its name.
        worker: String,
    },
    /// A worker of its group runs as much as it can.
    WorkerBusy {
        /// Its name.
        worker: String,
        /// How many attempts.
        running: u32,
    },
    /// A worker's pod is paused.
    PodPaused {
        /// Its name.
        pod: String,
    },
    /// A worker's pod is full.
    PodFull {
        /// Its name.
        pod: String,
        /// Its slots.
        slots: u32,
        /// Tasks that take them.
        by: Vec<Key>,
    },
    /// Slots of a worker's pod are held for lost attempts.
    PodHeld {
        /// Its name.
        pod: String,
        /// For which tasks.
        by: Vec<Key>,
    },
    /// Others of its group are served first.
    Behind {
        /// Tasks and elements of a higher priority.
        more_urgent: u64,
        /// Tasks and elements of its own priority that stand before it; [`PLACES`] or more are not
        /// told apart.
        earlier: u64,
    },
}

impl State {
    /// What keeps a live task from running; `None` when it has ended or never was.
    pub fn explain(&self, key: Key) -> Option<Explanation> {
        let view = self.task_view(key)?;
        let task = self.tasks.get(key.task())?;
        let mut obstacles: Vec<Obstacle> =
            view.until.map(Obstacle::NotBefore).into_iter().collect();
        if view.reason == Reason::Paused {
            let run = task.step().map(|link| link.run);
            obstacles.extend(run.map(|run| Obstacle::RunPaused { run }));
        }
        if view.phase == Phase::Queued {
            self.explain_group(key, task, &mut obstacles);
            self.explain_workers(task.group, &mut obstacles);
        }
        Some(Explanation {
            phase: view.phase,
            obstacles,
        })
    }

    fn explain_group(&self, key: Key, task: &Task, obstacles: &mut Vec<Obstacle>) {
        let Some(group) = self.group(task.group) else {
            return;
        };
        let priority = task.priority;
        if group.paused {
            obstacles.push(Obstacle::GroupPaused);
        }
        if let Some(max_running) = group.max_running.filter(|_| group.at_limit()) {
            obstacles.push(Obstacle::GroupAtLimit { max_running });
        }
        let waiting = |priority| group.level(priority).map_or(0, |level| level.live);
        let more_urgent = (priority.saturating_add(1)..=crate::limits::PRIORITY_MAX)
            .map(waiting)
            .sum();
        let level = group.level(priority);
        let earlier = level.map_or(0, |level| {
            level.before(place(key, task), &self.tasks, PLACES)
        });
        if more_urgent > 0 || earlier > 0 {
            obstacles.push(Obstacle::Behind {
                more_urgent,
                earlier,
            });
        }
    }

    fn explain_workers(&self, group: GroupId, obstacles: &mut Vec<Obstacle>) {
        let serving: Vec<&Worker> = self
            .workers
            .values()
            .filter(|worker| worker.groups.contains(&group))
            .collect();
        if serving.is_empty() {
            obstacles.push(Obstacle::NoWorker);
        }
        for worker in serving {
            let name = worker.hello.name.clone();
            if !worker.attached {
                obstacles.push(Obstacle::WorkerDetached { worker: name });
            } else if worker.draining {
                obstacles.push(Obstacle::WorkerDraining { worker: name });
            } else if worker.credit() == 0 {
                let running = worker.leases.len() as u32;
                obstacles.push(Obstacle::WorkerBusy {
                    worker: name,
                    running,
                });
            }
            if let Some(pod) = self.pods.get(&worker.pod) {
                for obstacle in self.explain_pod(pod) {
                    if !obstacles.contains(&obstacle) {
                        obstacles.push(obstacle);
                    }
                }
            }
        }
    }

    fn explain_pod(&self, pod: &Pod) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if pod.paused {
            obstacles.push(Obstacle::PodPaused {
                pod: pod.name.clone(),
            });
        }
        if !pod.held.is_empty() {
            let by = pod.held.iter().map(|held| held.key).collect();
            obstacles.push(Obstacle::PodHeld {
                pod: pod.name.clone(),
                by,
            });
        }
        if pod.used >= pod.slots {
            let leases = pod
                .workers
                .iter()
                .flat_map(|worker| self.leases_held_by(*worker));
            let by = leases.map(|((key, _), _)| key).collect();
            let (pod, slots) = (pod.name.clone(), pod.slots);
            obstacles.push(Obstacle::PodFull { pod, slots, by });
        }
        obstacles
    }
}
