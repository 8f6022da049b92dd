//! The last connection on which each worker's process has said hello. The state knows that of
//! workers it has; a hello that was on its way while its worker was lost is found out here.

use std::collections::BTreeMap;

use capataz_engine::{Hello, Life, State};

/// Names that are remembered. A worker more begins the memory anew: it guards against messages that
/// are seconds late, and a fleet comes with a few thousand names.
const NAMES: usize = 16_384;

/// Begins with every leader anew, with the workers that it finds. Of one that was lost before, nothing
/// is known any more.
#[derive(Default)]
pub(super) struct Greetings {
    last: BTreeMap<String, Life>,
}

impl Greetings {
    /// What a new leader finds.
    pub(super) fn of(state: &State) -> Greetings {
        let mut greetings = Greetings::default();
        for hello in state.hellos() {
            greetings.remember(hello.name.clone(), hello.life());
        }
        greetings
    }

    /// Whether the same process has said hello on a later connection already.
    pub(super) fn is_late(&self, hello: &Hello) -> bool {
        let last = self.last.get(&hello.name);
        last.is_some_and(|last| hello.came_before(*last))
    }

    /// A worker has joined with this name.
    pub(super) fn remember(&mut self, name: String, life: Life) {
        if self.last.len() >= NAMES && !self.last.contains_key(&name) {
            self.last.clear();
        }
        self.last.insert(name, life);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{World, hello};
    use super::*;
    use crate::owner::{Input, OwnerOptions};

    const LOST: Duration = Duration::from_secs(60);

    fn join(world: &mut World, connection: u64, name: &'static str) -> Vec<String> {
        let said = Hello {
            connection,
            ..hello("w", false)
        };
        world.durable_turn([Input::Join(said, world.session(connection, name))]);
        world.said()
    }

    /// Seed 5590 of the simulation: it freed a slot that was held for the process it came from.
    #[test]
    fn a_late_hello_of_a_worker_that_was_lost_is_not_heard() {
        let mut world = World::new();
        assert_eq!(join(&mut world, 7, "seventh").len(), 1);
        world.later(LOST);
        assert!(
            join(&mut world, 6, "sixth").is_empty(),
            "it was sent before"
        );
        let welcomed = join(&mut world, 8, "eighth");
        assert!(welcomed[0].starts_with("eighth <- Welcome"), "{welcomed:?}");
    }

    /// Seed 156 of the simulation: it had joined under one leader, and was lost under the next.
    #[test]
    fn a_new_leader_knows_the_last_hello_of_a_worker_that_it_loses() {
        let mut before = World::new();
        assert_eq!(join(&mut before, 7, "seventh").len(), 1);
        let World { owner, .. } = before;
        let mut world = World::with(owner.state, OwnerOptions::default());
        world.later(LOST);
        assert!(
            join(&mut world, 6, "sixth").is_empty(),
            "it was sent before"
        );
    }
}
