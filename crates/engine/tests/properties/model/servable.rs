//! Who may be leased what, in the words of the design: the rules of dispatch, the slow way.

use capataz_engine::{Attempt, GroupId, Key, Timestamp, WorkerId};

use super::{Group, Model, Unit, Worker};

impl Model {
    /// Everything that a lease must not break.
    pub(crate) fn check_lease(&self, at: Timestamp, key: Key, attempt: Attempt, worker: WorkerId) {
        let unit = self
            .units
            .get(&key)
            .expect("only what was accepted is leased");
        assert!(unit.is_queued(), "{key} is {:?} and yet leased", unit.stand);
        assert_eq!(
            attempt,
            unit.attempts + 1,
            "attempts are numbered from 1 without reuse"
        );
        let overlap = self.leases.keys().any(|(leased, _)| *leased == key);
        assert!(!overlap, "two leases of {key} overlap");
        assert!(
            unit.failures < unit.policy.max_attempts.max(1),
            "{key}: no attempts left"
        );
        assert!(unit.lost <= unit.policy.max_lost, "{key}: no losses left");
        assert!(
            unit.expires_at.is_none_or(|expires| expires > at),
            "{key} expired"
        );
        let free = self.free_workers(unit.group);
        assert!(
            free.contains(&worker),
            "{worker:?} cannot take a task of {:?}",
            unit.group
        );
        self.check_group(unit.group);
        self.check_order(key, unit);
        self.check_turn(unit.group, unit.priority);
        let affine = |unit: &Unit| !unit.affinity.is_empty();
        if !self.units.values().any(affine) {
            let turn = |id: &WorkerId| (self.workers[id].last_used, *id);
            let first = free.iter().copied().min_by_key(turn);
            assert_eq!(
                Some(worker),
                first,
                "the worker used least recently is served"
            );
        }
    }

    /// Whether something can be leased to someone.
    pub(crate) fn can_lease(&self) -> bool {
        self.groups.keys().any(|group| self.is_servable(*group))
    }

    fn is_servable(&self, group: GroupId) -> bool {
        self.has_room(group)
            && self.top_priority(group).is_some()
            && !self.free_workers(group).is_empty()
    }

    fn check_group(&self, group: GroupId) {
        assert!(
            self.has_room(group),
            "{group:?} is paused or runs as much as it may"
        );
    }

    fn has_room(&self, id: GroupId) -> bool {
        let group: &Group = &self.groups[&id];
        let running = self.running_in(id);
        !group.paused && group.max_running.is_none_or(|max| running < max as usize)
    }

    /// Priority, then accept order; affinity may change the order among equals only.
    fn check_order(&self, key: Key, unit: &Unit) {
        for (other, waiting) in &self.units {
            if waiting.group != unit.group || !waiting.is_queued() {
                continue;
            }
            assert!(
                waiting.priority <= unit.priority,
                "{other} is more urgent than {key}"
            );
            let equal = waiting.priority == unit.priority;
            if equal && self.is_plain(unit.group, unit.priority) {
                assert!(*other >= key, "{other} was accepted before {key}");
            }
        }
    }

    /// Whether nothing that waits at a priority of a group has affinity keys.
    fn is_plain(&self, group: GroupId, priority: u8) -> bool {
        let affine = |unit: &Unit| {
            (unit.group, unit.priority) == (group, priority)
                && unit.is_queued()
                && !unit.affinity.is_empty()
        };
        !self.units.values().any(affine)
    }

    /// Between groups: the most urgent head, then the one served least recently.
    fn check_turn(&self, group: GroupId, priority: u8) {
        let turn = |id: GroupId| self.groups[&id].last_served;
        for other in self.groups.keys().copied().filter(|other| *other != group) {
            if !self.is_servable(other) {
                continue;
            }
            let head = self.top_priority(other).expect("servable");
            assert!(
                head <= priority,
                "{other:?} has a more urgent head than {group:?}"
            );
            if head == priority {
                assert!(
                    turn(other) >= turn(group),
                    "{other:?} was served before {group:?}"
                );
            }
        }
    }

    fn top_priority(&self, group: GroupId) -> Option<u8> {
        let waiting = self
            .units
            .values()
            .filter(|unit| unit.group == group && unit.is_queued());
        waiting.map(|unit| unit.priority).max()
    }

    fn free_workers(&self, group: GroupId) -> Vec<WorkerId> {
        let is_free = |id: WorkerId, worker: &Worker| {
            let credit = match worker.polling {
                true => worker.credit as usize,
                false => (worker.concurrency as usize).saturating_sub(self.held_by(id)),
            };
            let pod = &self.pods[&worker.pod];
            let used = self.leases_in(worker.pod) + pod.held.len();
            worker.attached
                && !worker.draining
                && credit > 0
                && !pod.paused
                && used < pod.slots as usize
                && worker.groups.contains(&group)
        };
        let workers = self.workers.iter();
        workers
            .filter(|(id, worker)| is_free(**id, worker))
            .map(|(id, _)| *id)
            .collect()
    }
}
