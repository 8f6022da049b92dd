//! The last connection on which each worker's process has said hello. The state knows that of
//! workers it has; a hello that was on its way while its worker was lost is found out here.

use std::collections::BTreeMap;

use capataz_engine::Hello;

/// Names that are remembered. A worker more begins the memory anew: it guards against messages that
/// are seconds late, and a fleet comes with a few thousand names.
const NAMES: usize = 16_384;

/// Begins empty with every leader; then only the state knows.
#[derive(Default)]
pub(super) struct Greetings {
    last: BTreeMap<String, (u128, u64)>,
}

impl Greetings {
    /// Whether the same process has said hello on a later connection already.
    pub(super) fn is_late(&self, hello: &Hello) -> bool {
        let last = self.last.get(&hello.name);
        // Whoever does not count its connections says 0.
        last.is_some_and(|(incarnation, connection)| {
            hello.connection > 0
                && *incarnation == hello.incarnation
                && *connection > hello.connection
        })
    }

    /// A worker has joined with this name, incarnation and connection.
    pub(super) fn remember(&mut self, name: String, incarnation: u128, connection: u64) {
        if self.last.len() >= NAMES && !self.last.contains_key(&name) {
            self.last.clear();
        }
        self.last.insert(name, (incarnation, connection));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{World, hello};
    use super::*;
    use crate::owner::Input;

    /// Seed 5590 of the simulation: it freed a slot that was held for the process it came from.
    #[test]
    fn a_late_hello_of_a_worker_that_was_lost_is_not_heard() {
        let mut world = World::new();
        let mut join = |connection: u64, name: &'static str, after: Duration| {
            let said = Hello {
                connection,
                ..hello("w", false)
            };
            world.later(after);
            world.durable_turn([Input::Join(said, world.session(connection, name))]);
            world.said()
        };
        let lost = Duration::from_secs(60);
        assert_eq!(join(7, "seventh", Duration::ZERO).len(), 1);
        assert!(join(6, "sixth", lost).is_empty(), "it was sent before");
        let welcomed = join(8, "eighth", Duration::ZERO);
        assert!(welcomed[0].starts_with("eighth <- Welcome"), "{welcomed:?}");
    }
}
