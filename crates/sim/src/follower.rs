//! Somebody follows the stream of what happens, is away for a while, and goes on where it was.

use capataz_engine::Event;
use capataz_server::feed::{FeedBatch, FeedRead};

use crate::clock::{MS, SECOND, Time};
use crate::figures::Fault;
use crate::world::{Happening, World};

/// How long a follower is away at the most.
const AWAY: Time = 60 * SECOND;

impl World {
    /// The follower reads on, and checks that nothing is missing that it is not told of.
    pub(crate) fn follow(&mut self) {
        let pause = match self.chance.percent(5) {
            true => self.chance.below(AWAY),
            false => self.chance.between(50 * MS, SECOND),
        };
        self.plan(self.now + pause, Happening::Follow);
        let paused = self.master.paused_until > self.now;
        let Some(process) = self.master.process.as_ref().filter(|_| !paused) else {
            return;
        };
        // A disk that does not answer is the server's end, which it finds out by itself.
        match process.feed.read(self.follower) {
            Ok(FeedRead::Batches(batches)) => self.read_on(&batches),
            Ok(FeedRead::Gap(first)) if first > self.follower => {
                let cursor = self.follower;
                self.fault(Fault::StreamGap, format_args!("a cursor of {cursor}"));
                self.follower = first;
            }
            Ok(FeedRead::Gap(first)) => {
                let cursor = self.follower;
                self.violate(format!(
                    "a gap up to {first} is told to a cursor of {cursor}"
                ));
            }
            Err(_) => {}
        }
    }

    fn read_on(&mut self, batches: &[FeedBatch]) {
        for batch in batches {
            let cursor = self.follower;
            if batch.end != cursor.advance(1) {
                let end = batch.end;
                let what = format!("the stream goes on before {end} after {cursor}");
                return self.violate(what);
            }
            let record = self.ledger.record(cursor.get());
            let events =
                record.and_then(|record| postcard::from_bytes::<Vec<Event>>(&record[1..]).ok());
            if events.as_ref() != Some(&*batch.events) {
                let what = format!("the stream shows what is not on record at {cursor}");
                return self.violate(what);
            }
            self.follower = batch.end;
        }
    }
}
