//! How far it is, and how the server does.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Counts, Query};
use crate::problem::Problem;
use crate::span::Span;
use crate::timestamp::Timestamp;

/// The namespace at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// When this was counted.
    pub at: Timestamp,
    /// All tasks together.
    pub total: Progress,
    /// Each group, by name; only the one asked for, when one was.
    pub groups: Vec<Progress>,
    /// The tag asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<TagProgress>,
    /// Connected workers.
    pub workers: u64,
    /// Known pods.
    pub pods: u64,
    /// The journal and the store behind it.
    pub journal: JournalStats,
    /// What is on disk.
    pub disk: DiskStats,
    /// How long the server has led, in seconds.
    pub uptime: Span,
    /// The server's build version.
    pub build: String,
    /// The server's resident memory in bytes; 0 where it cannot be told.
    pub resident_bytes: u64,
}

/// How far tasks are.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The group's name; empty for all together.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// How many are where.
    pub counts: Counts,
    /// Tasks accepted per second, over the last minute.
    pub submitted_per_s: f64,
    /// Tasks ended per second, over the last minute.
    pub finished_per_s: f64,
    /// When all will have ended at that rate, in seconds; null while nothing ends.
    pub eta: Option<Span>,
}

/// How far the tasks with a tag are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TagProgress {
    /// The tag.
    pub tag: String,
    /// How far they are.
    #[serde(flatten)]
    pub progress: Progress,
}

/// The journal and the store behind it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct JournalStats {
    /// The end of the journal.
    pub position: u64,
    /// How far the store has got.
    pub store_position: u64,
    /// How long ago the store was where the journal ends, in seconds.
    pub lag: Span,
    /// The leadership in force.
    pub epoch: u64,
    /// Syncs since the server started.
    pub syncs: u64,
}

/// What is on disk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DiskStats {
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the store.
    pub store_bytes: u64,
    /// Bytes that journal and store may have together; null without a quota.
    pub quota_bytes: Option<u64>,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
}

/// What to count.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// Only this group.
    #[param(min_length = 1, max_length = 255)]
    pub group: Option<String>,
    /// The tasks with this tag, too.
    #[param(min_length = 1, max_length = 255)]
    pub tag: Option<String>,
}

impl Query for StatsQuery {
    const NAMES: &'static [&'static str] = &["group", "tag"];

    fn read(params: &mut Params) -> Result<StatsQuery, Problem> {
        Ok(StatsQuery {
            group: params.text("group"),
            tag: params.text("tag"),
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("group", self.group.as_ref());
        out.add("tag", self.tag.as_ref());
    }
}
