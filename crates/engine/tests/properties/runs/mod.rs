//! Random workflows and runs, steered at random, against a model of the rules: no step starts before
//! what it waits for is decided, each is decided once in a round, every run ends as it was bound to,
//! and the owner of the state is asked as long as there is something to do, and no longer.

mod documented;
mod fate;
mod model;
mod rules;
mod run;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use capataz_engine::Event;
use world::World;

/// Things done to one world.
const ACTIONS: u64 = 120;
/// Events shown when a world fails.
const TRAIL: usize = 30;

/// What happened in a world.
pub(crate) fn events(seed: u64) -> Vec<Event> {
    let mut world = World::new(seed);
    (0..ACTIONS).for_each(|_| world.act());
    world.events
}

fn play(seeds: std::ops::Range<u64>) {
    let (mut decided, mut ended, mut reopened) = (0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        let played = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..ACTIONS {
                world.act();
            }
            world.come_to_an_end();
        }));
        if let Err(panic) = played {
            // For whoever has to find out why.
            let last = world.events.len().saturating_sub(TRAIL);
            println!("seed {seed}, after {:#?}", &world.events[last..]);
            resume_unwind(panic);
        }
        decided += world.model.decided;
        ended += world.model.ended;
        reopened += world.reopened;
    }
    assert!(
        decided > 5_000 && ended > 800 && reopened > 150,
        "too little happened: {decided} steps, {ended} runs, {reopened} opened again"
    );
}

#[test]
fn runs_keep_to_their_rules() {
    play(0..60);
}
