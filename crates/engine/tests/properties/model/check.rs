//! Compares the model with what the engine shows of itself.

use capataz_engine::{GroupId, Phase, State};

use super::{Model, Stand};

impl Model {
    pub(crate) fn compare(&self, state: &State) {
        assert_eq!(state.live_leases(), self.leases.len(), "leases");
        for (id, group) in &self.groups {
            let view = state.group_view(*id).expect("the group is known");
            assert_eq!(view.name, group.name);
            let shown = (view.queued, view.scheduled, u64::from(view.running));
            let running = self.running_in(*id) as u64;
            let scheduled = |stand| matches!(stand, Stand::Scheduled(_));
            let queued = self.count(*id, |stand| stand == Stand::Queued);
            assert_eq!(
                shown,
                (queued, self.count(*id, scheduled), running),
                "{}",
                group.name
            );
            let ended = (view.succeeded, view.failed, view.cancelled);
            assert_eq!(
                ended,
                (group.succeeded, group.failed, group.cancelled),
                "{}",
                group.name
            );
        }
        self.compare_pods(state);
        self.compare_units(state);
        assert_eq!(
            state.can_dispatch(),
            self.can_lease(),
            "what can be served is served"
        );
    }

    fn compare_pods(&self, state: &State) {
        assert_eq!(state.pod_views().len(), self.pods.len(), "pods");
        for (id, pod) in &self.pods {
            let view = state.pod_view(*id).expect("the pod is known");
            assert_eq!((&view.name, view.slots), (&pod.name, pod.slots));
            assert_eq!(
                view.used as usize,
                self.leases_in(*id),
                "leases in {}",
                pod.name
            );
            assert_eq!(view.held.len(), pod.held.len(), "held in {}", pod.name);
            let workers = self.workers.values().filter(|worker| worker.pod == *id);
            let mut names: Vec<&String> = workers.map(|worker| &worker.name).collect();
            let mut shown: Vec<&String> = view.workers.iter().collect();
            names.sort();
            shown.sort();
            assert_eq!(shown, names, "workers of {}", pod.name);
        }
    }

    fn compare_units(&self, state: &State) {
        for (key, unit) in &self.units {
            let phase = state.task_view(*key).map(|view| view.phase);
            let expected = match unit.stand {
                Stand::Queued => Some(Phase::Queued),
                Stand::Scheduled(_) => Some(Phase::Scheduled),
                Stand::Running(_) => Some(Phase::Running),
                Stand::Ended(_) => None,
            };
            assert_eq!(phase, expected, "state of {key}");
        }
    }

    fn count(&self, group: GroupId, is: impl Fn(Stand) -> bool) -> u64 {
        let units = self.units.values().filter(|unit| unit.group == group);
        units.filter(|unit| is(unit.stand)).count() as u64
    }
}
