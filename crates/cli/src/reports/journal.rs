//! How an inspected or repaired journal looks.

use capataz_server::{Inspection, Repaired, WitnessReport};
use serde::Serialize;

use crate::output::{Report, Sheet};

/// What an inspection found.
#[derive(Debug, Serialize)]
pub(crate) struct Inspected {
    journal: Option<String>,
    /// What the witness says was synced; none when there is no witness that can be read.
    durable: Option<u64>,
    tail: u64,
    torn: bool,
    damage: Option<String>,
    segments: Vec<Segment>,
}

#[derive(Debug, Serialize)]
struct Segment {
    file: String,
    first: u64,
    next: Option<u64>,
    bytes: u64,
    used: u64,
}

impl From<&Inspection> for Inspected {
    fn from(found: &Inspection) -> Inspected {
        let durable = match found.witness {
            WitnessReport::Says { durable, .. } => Some(durable.get()),
            WitnessReport::Missing | WitnessReport::Damaged => None,
        };
        let segments = found.segments.iter().map(|segment| Segment {
            file: segment.file.clone(),
            first: segment.first.get(),
            next: segment.next.map(|next| next.get()),
            bytes: segment.size,
            used: segment.used,
        });
        Inspected {
            journal: found.journal.map(|id| id.to_string()),
            durable,
            tail: found.tail.get(),
            torn: found.torn,
            damage: found.damage.as_ref().map(ToString::to_string),
            segments: segments.collect(),
        }
    }
}

impl Report for Inspected {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["SEGMENT", "FIRST", "NEXT", "BYTES", "USED"]);
        for segment in &self.segments {
            sheet.row([
                segment.file.clone(),
                segment.first.to_string(),
                segment
                    .next
                    .map(|next| next.to_string())
                    .unwrap_or_default(),
                segment.bytes.to_string(),
                segment.used.to_string(),
            ]);
        }
        let durable = self.durable.map_or("unknown".to_owned(), |d| d.to_string());
        sheet.note(format!(
            "whole up to position {}, synced up to {durable}",
            self.tail
        ));
        if self.torn {
            sheet.note("an unfinished write follows; the next start cuts it".to_owned());
        }
        match &self.damage {
            Some(damage) => sheet.note(format!("damaged: {damage}")),
            None => sheet.note("no damage".to_owned()),
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.segments
            .iter()
            .map(|segment| segment.file.clone())
            .collect()
    }
}

/// What a cut left.
#[derive(Debug, Serialize)]
pub(crate) struct Cut {
    tail: u64,
    folder: String,
    kept: Vec<String>,
}

impl From<&Repaired> for Cut {
    fn from(repaired: &Repaired) -> Cut {
        Cut {
            tail: repaired.tail.get(),
            folder: repaired.folder.clone(),
            kept: repaired.kept.clone(),
        }
    }
}

impl Report for Cut {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::of_fields([("ends at", self.tail.to_string())]);
        sheet.field("put aside in", self.folder.clone());
        sheet.field("files", self.kept.join(", "));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.tail.to_string()]
    }
}
