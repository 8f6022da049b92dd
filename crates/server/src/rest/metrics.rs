//! Figures for Prometheus, in its text format. Labels are names that operators gave (groups, pods),
//! never those of tasks, workers or tags: their number grows without bound.

use std::fmt::{Display, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use capataz_engine::{GroupView, PodView, WorkflowView};

use super::context::Context;
use super::refusal::ProblemResponse;
use super::request::NoQuery;
use crate::namespace::Gauges;

/// The format's media type, with the version that its scrapers ask for.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures in Prometheus' text format
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "server", responses(
    (status = 200, description = "The figures.", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(
    State(context): State<Context>,
    _: NoQuery,
) -> Result<impl IntoResponse, ProblemResponse> {
    let read = |state: &capataz_engine::State| {
        let workers = state.worker_views();
        let attached = workers
            .iter()
            .filter(|worker| worker.attached || worker.polling)
            .count();
        let leases = workers
            .iter()
            .map(|worker| worker.leases.len())
            .sum::<usize>();
        (
            state.group_views(),
            state.pod_views(),
            workers.len(),
            attached,
            leases,
            state.workflow_views(),
        )
    };
    let ((groups, pods, workers, attached, leases, workflows), _) =
        context.namespace.query(read).await?;
    let mut text = Exposition::default();
    write_groups(&mut text, &groups);
    write_pods(&mut text, &pods);
    text.gauge("capataz_workers", "Workers known.", workers);
    text.gauge(
        "capataz_workers_attached",
        "Workers that are connected or poll.",
        attached,
    );
    text.gauge("capataz_leases", "Attempts leased to workers.", leases);
    write_runs(&mut text, &workflows);
    write_gauges(&mut text, context.namespace.gauges());
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text.0))
}

fn write_groups(text: &mut Exposition, groups: &[GroupView]) {
    text.head(
        "capataz_group_tasks",
        "gauge",
        "Live tasks by group and state.",
    );
    for group in groups {
        let states = [
            ("queued", group.queued),
            ("scheduled", group.scheduled),
            ("running", u64::from(group.running)),
        ];
        for (state, n) in states {
            text.line(
                "capataz_group_tasks",
                &[("group", &group.name), ("state", state)],
                n,
            );
        }
    }
    let help = "Tasks that ended, since the namespace began.";
    text.head("capataz_group_ended_total", "counter", help);
    for group in groups {
        let states = [
            ("succeeded", group.succeeded),
            ("failed", group.failed),
            ("cancelled", group.cancelled),
        ];
        for (state, n) in states {
            text.line(
                "capataz_group_ended_total",
                &[("group", &group.name), ("state", state)],
                n,
            );
        }
    }
}

/// Runs of all workflows together: anybody who starts a run may name a new workflow.
fn write_runs(text: &mut Exposition, workflows: &[WorkflowView]) {
    let sum = |of: fn(&WorkflowView) -> u32| workflows.iter().map(of).map(u64::from).sum::<u64>();
    text.head("capataz_runs", "gauge", "Live runs of workflows by state.");
    let states = [
        (
            "queued",
            sum(|workflow| workflow.runs.saturating_sub(workflow.running)),
        ),
        ("running", sum(|workflow| workflow.running)),
    ];
    for (state, n) in states {
        text.line("capataz_runs", &[("state", state)], n);
    }
    let help = "Live tasks that are steps of runs.";
    text.gauge("capataz_step_tasks", help, sum(|workflow| workflow.tasks));
    let held = workflows
        .iter()
        .filter(|workflow| workflow.held_until.is_some());
    text.gauge(
        "capataz_workflows_held",
        "Workflows whose new runs are held back because the last ones failed.",
        held.count(),
    );
}

fn write_pods(text: &mut Exposition, pods: &[PodView]) {
    text.head("capataz_pod_slots", "gauge", "Slots of pods.");
    for pod in pods {
        text.line("capataz_pod_slots", &[("pod", &pod.name)], pod.slots);
    }
    text.head(
        "capataz_pod_used",
        "gauge",
        "Slots that leased attempts take.",
    );
    for pod in pods {
        text.line("capataz_pod_used", &[("pod", &pod.name)], pod.used);
    }
    text.head("capataz_pod_held", "gauge", "Slots held for lost attempts.");
    for pod in pods {
        text.line("capataz_pod_held", &[("pod", &pod.name)], pod.held.len());
    }
}

fn write_gauges(text: &mut Exposition, gauges: &Gauges) {
    let flag = |flag: &std::sync::atomic::AtomicBool| {
        u8::from(flag.load(std::sync::atomic::Ordering::Relaxed))
    };
    let get = Gauges::get;
    let tail = get(&gauges.journal_position);
    text.counter(
        "capataz_journal_records_total",
        "Records appended.",
        get(&gauges.records),
    );
    text.counter(
        "capataz_journal_bytes_total",
        "Bytes appended.",
        get(&gauges.record_bytes),
    );
    text.counter(
        "capataz_journal_syncs_total",
        "Syncs.",
        get(&gauges.journal_syncs),
    );
    text.gauge("capataz_journal_position", "Where the journal ends.", tail);
    text.gauge(
        "capataz_store_position",
        "Where the store is.",
        get(&gauges.store_position),
    );
    text.gauge(
        "capataz_store_lag_bytes",
        "Bytes it lags behind.",
        get(&gauges.lag_bytes),
    );
    let lag = lag_seconds(get(&gauges.oldest_unprojected));
    text.gauge("capataz_store_lag_seconds", "Time it lags behind.", lag);
    text.gauge(
        "capataz_store_bytes",
        "Bytes of store and logs.",
        get(&gauges.disk_bytes),
    );
    text.gauge(
        "capataz_journal_file_bytes",
        "Bytes of the journal's files.",
        get(&gauges.journal_bytes),
    );
    text.gauge(
        "capataz_disk_free_bytes",
        "Bytes free on the disk.",
        get(&gauges.disk_free),
    );
    text.gauge(
        "capataz_journal_full",
        "1: no room for the journal.",
        flag(&gauges.journal_full),
    );
    text.gauge(
        "capataz_store_full",
        "1: over the quota or the reserve.",
        flag(&gauges.store_full),
    );
}

/// How old the oldest record is that the store does not have.
pub(super) fn lag_seconds(oldest: u64) -> f64 {
    match oldest {
        0 => 0.0,
        oldest => crate::clock::wall().0.saturating_sub(oldest) as f64 / 1e6,
    }
}

/// The text format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.put(format_args!("{name}"));
        for (place, (label, text)) in labels.iter().enumerate() {
            let escaped = text
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let open = if place == 0 { '{' } else { ',' };
            self.put(format_args!("{open}{label}=\"{escaped}\""));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.put(format_args!("{close} {value}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.line(name, &[], value);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0
            .write_fmt(text)
            .expect("writing to a text never fails");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let mut text = Exposition::default();
        text.line("x", &[("a", "q\"\\\n"), ("b", "c")], 1.5);
        text.gauge("y", "Y.", 2);
        assert_eq!(
            text.0,
            "x{a=\"q\\\"\\\\\\n\",b=\"c\"} 1.5\n# HELP y Y.\n# TYPE y gauge\ny 2\n"
        );
    }
}
