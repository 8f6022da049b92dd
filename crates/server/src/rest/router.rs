//! All routes in one table.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::any;
use capataz_api::problem::{Code, Problem};
use tokio::sync::watch;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::context::Context;
use super::pace::Pace;
use super::refusal::ProblemResponse;
use super::{
    attempt_tasks, attempts, audit, events, explain, explain_run, groups, health, leases, logs,
    metrics, openapi, pods, run_actions, run_batch, run_steps, runs, stats, task_actions, tasks,
    tokens, wait, workers, workflows,
};
use crate::namespace::Namespace;

/// Routes REST. Paths outside of it are left to the fallback that the caller adds. To be called
/// within a runtime: rates need counts that are taken now and then, until the server stops.
pub(crate) fn router(
    namespace: Namespace,
    lease_ttl: Duration,
    stop: watch::Receiver<bool>,
) -> Router {
    let pace = Arc::new(Pace::new());
    let context = Context {
        namespace,
        lease_ttl,
        stop,
        pace,
        workflows: Arc::default(),
    };
    tokio::spawn(stats::keep_pace(context.clone()));
    let (routes, mut document) = routes().split_for_parts();
    openapi::complete(&mut document);
    routes
        .merge(openapi::router(&document))
        .route("/api", any(unknown))
        .route("/api/", any(unknown))
        .route("/api/{*path}", any(unknown))
        .method_not_allowed_fallback(refuse_method)
        .with_state(context)
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(tasks::submit, tasks::list))
        .routes(routes!(tasks::submit_batch))
        .routes(routes!(tasks::show))
        .routes(routes!(task_actions::cancel))
        .routes(routes!(task_actions::retry))
        .routes(routes!(logs::logs))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::schema))
        .routes(routes!(workflows::validate))
        .routes(routes!(workflows::put, workflows::show, workflows::delete))
        .routes(routes!(workflows::version))
        .routes(routes!(workflows::clear))
        .routes(routes!(runs::start, runs::list))
        .routes(routes!(run_batch::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::definition))
        .routes(routes!(runs::wait))
        .routes(routes!(explain_run::explain))
        .routes(routes!(run_actions::cancel))
        .routes(routes!(run_actions::pause))
        .routes(routes!(run_actions::resume))
        .routes(routes!(run_actions::retry))
        .routes(routes!(run_actions::rerun))
        .routes(routes!(run_steps::add_steps))
        .routes(routes!(audit::of_run))
        .routes(routes!(audit::of_all))
        .routes(routes!(leases::lease))
        .routes(routes!(attempts::start))
        .routes(routes!(attempts::heartbeat))
        .routes(routes!(attempts::complete))
        .routes(routes!(attempts::fail))
        .routes(routes!(attempts::again))
        .routes(routes!(attempt_tasks::submit))
        .routes(routes!(groups::list))
        .routes(routes!(groups::show, groups::set))
        .routes(routes!(groups::pause))
        .routes(routes!(groups::resume))
        .routes(routes!(workers::list))
        .routes(routes!(workers::show))
        .routes(routes!(workers::drain))
        .routes(routes!(pods::list))
        .routes(routes!(pods::show, pods::set))
        .routes(routes!(pods::pause))
        .routes(routes!(pods::resume))
        .routes(routes!(pods::release))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(stats::stats))
        .routes(routes!(events::events))
        .routes(routes!(explain::explain))
        .routes(routes!(wait::wait))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

async fn unknown(uri: Uri) -> ProblemResponse {
    unknown_route(&uri).into()
}

async fn refuse_method(method: Method, uri: Uri) -> ProblemResponse {
    wrong_method(&method, &uri).into()
}

/// The refusal of a path that leads nowhere.
pub(crate) fn unknown_route(uri: &Uri) -> Problem {
    let detail = format!("there is no route {}", uri.path());
    let problem = Problem::new(Code::NotFound, detail).got(uri.path());
    problem.hint("all routes are in /api/openapi.json, and at /api/docs for people")
}

/// The refusal of a method that the route does not have.
pub(crate) fn wrong_method(method: &Method, uri: &Uri) -> Problem {
    let detail = format!("{} cannot be asked for with {method}", uri.path());
    let problem = Problem::new(Code::MethodNotAllowed, detail).got(method);
    problem.hint("the header Allow names the methods that can")
}
