//! Bits that rot on a disk: tried on copies, from which a journal either opens with what is on
//! record or refuses. The world goes on without them.

use std::sync::Arc;

use capataz_journal::disk::Disk;
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::{FileJournal, Journal, OpenError};

use crate::figures::Fault;
use crate::ledger::Check;
use crate::recovery::{REPLAY_BYTES, file_options};
use crate::world::World;

/// So often in a hundred starts a bit rots.
const ROT_PERCENT: u64 = 30;
/// Every other one rots within so many bytes of the end: in the last record, more often than not.
const END_BYTES: u64 = 512;

impl World {
    /// Inverts a bit of a copy of the disk, and opens the journal there. The records below `kept`
    /// are known to be durable in a way that survives the loss of any record.
    pub(crate) fn let_rot(&mut self, copy: FaultyDisk, kept: u64) -> Check {
        if !self.chance.percent(ROT_PERCENT) || !self.flip(&copy) {
            return Ok(());
        }
        let options = file_options(self.options.segment_bytes);
        let journal = match FileJournal::open_on(Arc::new(copy), options) {
            Ok(journal) => journal,
            // Also a disk that is full.
            Err(OpenError::Damaged(_) | OpenError::Disk(_)) => return Ok(()),
            Err(error) => return Err(format!("a journal with rot does not open: {error}")),
        };
        let tail = journal.tail();
        if tail.get() < kept {
            return Err(format!(
                "a journal of {kept} records is opened up to {tail} after one bit has rotted"
            ));
        }
        let mut position = journal.first();
        while position < tail {
            let entries = journal.read(position, REPLAY_BYTES);
            let entries = entries.map_err(|error| format!("opened, and then: {error}"))?;
            for entry in entries {
                position = entry.position.advance(1);
                if !self.ledger.is_record(&entry) {
                    let place = entry.position;
                    return Err(format!("rot at {place} goes unnoticed"));
                }
            }
        }
        Ok(())
    }

    /// Inverts a bit; false when there is none.
    fn flip(&mut self, disk: &FaultyDisk) -> bool {
        let names = disk.list().unwrap_or_default();
        let at_end = self.chance.percent(50);
        let segments = names.iter().filter(|name| name.ends_with(".segment"));
        let name = match at_end {
            true => segments.max(),
            false => names.get(self.chance.index(names.len())),
        };
        let Some(name) = name else { return false };
        let contents = disk.contents(name).unwrap_or_default();
        let used = contents.iter().rposition(|byte| *byte != 0);
        let used = used.map_or(0, |last| last as u64 + 1);
        let byte = match at_end {
            true => used.saturating_sub(1 + self.chance.below(used.min(END_BYTES))),
            false => self.chance.below(contents.len() as u64),
        };
        let bit = self.chance.below(8) as u8;
        let done = disk.flip(name, byte, bit).is_ok();
        if done {
            self.figures.count(Fault::Rot);
            self.say(|| format!("fault: rot of bit {bit} of byte {byte} of {name}, in a copy"));
        }
        done
    }
}
