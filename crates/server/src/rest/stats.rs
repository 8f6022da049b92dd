//! How far it is, and how the server does.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{
    Counts, DiskStats, JournalStats, Progress, Stats, StatsQuery, TagProgress,
};
use capataz_api::spec::check_name;
use capataz_api::{Span, Timestamp};
use capataz_engine::Phase;

use super::context::Context;
use super::groups;
use super::metrics::lag_seconds;
use super::pace::Rate;
use super::refusal::{Answer, not_found};
use super::request::Query;
use super::task_item;
use crate::namespace::Gauges;
use crate::store::StateCounts;

/// How often all groups are counted.
const COUNTED: Duration = Duration::from_secs(5);

/// How many tasks are where
///
/// A tag's counts come from the store: they may lag, and what retention removed is not counted.
#[utoipa::path(get, path = "/api/v1/stats",
    operation_id = "show_stats", tag = "server", params(StatsQuery), responses(
    (status = 200, description = "The namespace now.", body = Stats),
))]
pub(super) async fn stats(
    State(context): State<Context>,
    Query(query): Query<StatsQuery>,
) -> Answer<Json<Stats>> {
    for (field, name) in [("group", &query.group), ("tag", &query.tag)] {
        name.as_ref()
            .map_or(Ok(()), |name| check_name(field, name))?;
    }
    let read = |state: &capataz_engine::State| {
        let workers = state.worker_views();
        let connected = workers
            .iter()
            .filter(|worker| worker.attached || worker.polling)
            .count();
        (
            state.group_views(),
            connected as u64,
            state.pod_views().len() as u64,
            state.epoch(),
        )
    };
    let ((views, workers, pods, epoch), _) = context.namespace.query(read).await?;
    let mut groups: Vec<Progress> = views
        .iter()
        .map(|view| group_progress(&context, &view.name, groups::counts(view)))
        .collect();
    if let Some(wanted) = &query.group {
        groups.retain(|progress| progress.group == *wanted);
        if groups.is_empty() {
            return Err(not_found("group", wanted).into());
        }
    }
    let total = views.iter().fold(Counts::default(), |sum, view| {
        add(sum, groups::counts(view))
    });
    let total = group_progress(&context, "", total);
    groups.sort_by(|a, b| a.group.cmp(&b.group));
    let tag = match query.tag {
        Some(tag) => Some(tag_progress(&context, tag).await?),
        None => None,
    };
    let gauges = context.namespace.gauges();
    Ok(Json(Stats {
        at: Timestamp(crate::clock::wall().0),
        total,
        groups,
        tag,
        workers,
        pods,
        journal: journal(gauges, epoch),
        disk: disk(gauges),
        uptime: context.pace.uptime().into(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        resident_bytes: resident_bytes(),
    }))
}

/// Counts all groups now and then, so that a single call knows how fast they were.
pub(super) async fn keep_pace(context: Context) {
    loop {
        let read = |state: &capataz_engine::State| state.group_views();
        let Ok((views, _)) = context.namespace.query(read).await else {
            break;
        };
        let counted = views
            .iter()
            .map(|view| (view.name.as_str(), groups::counts(view)));
        let mut total = Counts::default();
        for (group, counts) in counted {
            context.pace.of_group(group, &counts);
            total = add(total, counts);
        }
        context.pace.of_group("", &total);
        tokio::select! {
            () = tokio::time::sleep(COUNTED) => {}
            () = context.stopped() => break,
        }
    }
}

fn add(mut sum: Counts, more: Counts) -> Counts {
    for state in capataz_api::rest::TaskState::ALL {
        *sum.get_mut(state) += more.get(state);
    }
    sum
}

fn group_progress(context: &Context, group: &str, counts: Counts) -> Progress {
    let rate = context.pace.of_group(group, &counts);
    progress(group.to_owned(), counts, rate)
}

fn progress(group: String, counts: Counts, rate: Rate) -> Progress {
    let eta = (rate.finished > 0.0).then(|| counts.live() as f64 / rate.finished);
    Progress {
        group,
        counts,
        submitted_per_s: rate.submitted,
        finished_per_s: rate.finished,
        eta: eta.and_then(|seconds| Span::from_secs_f64(seconds).ok()),
    }
}

async fn tag_progress(context: &Context, tag: String) -> Answer<TagProgress> {
    context.catch_up().await?;
    let wanted = tag.clone();
    let counts = counts(&context.read(move |store| store.tag_counts(&wanted)).await?);
    let rate = context.pace.of_tag(&tag, &counts);
    Ok(TagProgress {
        tag,
        progress: progress(String::new(), counts, rate),
    })
}

/// Counts of the store as the wire has them.
pub(super) fn counts(of: &StateCounts) -> Counts {
    let mut counts = Counts::default();
    for phase in Phase::ALL {
        *counts.get_mut(task_item::state(phase)) = of.of(phase);
    }
    counts
}

fn journal(gauges: &Gauges, epoch: u64) -> JournalStats {
    let lag = lag_seconds(Gauges::get(&gauges.oldest_unprojected));
    JournalStats {
        position: Gauges::get(&gauges.journal_position),
        store_position: Gauges::get(&gauges.store_position),
        lag: Span::from_secs_f64(lag).unwrap_or_default(),
        epoch,
        syncs: Gauges::get(&gauges.journal_syncs),
    }
}

fn disk(gauges: &Gauges) -> DiskStats {
    DiskStats {
        journal_bytes: Gauges::get(&gauges.journal_bytes),
        store_bytes: Gauges::get(&gauges.disk_bytes),
        quota_bytes: Some(Gauges::get(&gauges.disk_quota)).filter(|quota| *quota > 0),
        free_bytes: Gauges::get(&gauges.disk_free),
    }
}

/// What the kernel says this process has in memory; 0 where it does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
