//! Who may use which route: the one place that says so. What is not in the table is refused.

use axum::http::Method;
use capataz_api::rest::Role;

use Role::{Admin, Operator, Submitter, Viewer, Worker};

/// Roles that may look.
const READ: &[Role] = &[Admin, Operator, Submitter, Viewer];
/// Roles that may look at what attempts print: a worker at that of its own groups.
const READ_LOGS: &[Role] = &[Admin, Operator, Submitter, Viewer, Worker];
/// Roles that may submit tasks, wait for them and end them.
const SUBMIT: &[Role] = &[Admin, Operator, Submitter];
/// Roles that may run the place.
const OPERATE: &[Role] = &[Admin, Operator];
/// Roles that may run attempts: a worker those of its own groups.
const RUN: &[Role] = &[Admin, Worker];
/// Roles that may add steps to a run: a worker as a step that it runs.
const ADD_STEPS: &[Role] = &[Admin, Operator, Worker];
/// Who may let others in.
const ADMIN: &[Role] = &[Admin];

/// Method, route as the router knows it, and the roles. gRPC methods are paths as well.
const ROUTES: &[(&str, &str, &[Role])] = &[
    ("POST", "/api/v1/tasks", SUBMIT),
    ("GET", "/api/v1/tasks", READ),
    ("POST", "/api/v1/tasks:batch", SUBMIT),
    ("GET", "/api/v1/tasks/{id}", READ),
    ("POST", "/api/v1/tasks/{id}/cancel", SUBMIT),
    ("POST", "/api/v1/tasks/{id}/retry", SUBMIT),
    ("GET", "/api/v1/tasks/{id}/logs", READ_LOGS),
    ("POST", "/api/v1/wait", SUBMIT),
    ("GET", "/api/v1/workflows", READ),
    ("GET", "/api/v1/workflows:schema", READ),
    ("POST", "/api/v1/workflows:validate", READ),
    ("GET", "/api/v1/workflows/{name}", READ),
    ("PUT", "/api/v1/workflows/{name}", OPERATE),
    ("DELETE", "/api/v1/workflows/{name}", OPERATE),
    ("GET", "/api/v1/workflows/{name}/versions/{n}", READ),
    ("POST", "/api/v1/workflows/{name}/clear", OPERATE),
    ("POST", "/api/v1/runs", SUBMIT),
    ("GET", "/api/v1/runs", READ),
    ("GET", "/api/v1/runs/{id}", READ),
    ("GET", "/api/v1/runs/{id}/definition", READ),
    ("GET", "/api/v1/runs/{id}/audit", READ),
    ("GET", "/api/v1/runs/{id}/explain", READ),
    ("POST", "/api/v1/runs/{id}/wait", SUBMIT),
    ("POST", "/api/v1/runs/{id}/cancel", SUBMIT),
    ("POST", "/api/v1/runs/{id}/pause", OPERATE),
    ("POST", "/api/v1/runs/{id}/resume", OPERATE),
    ("POST", "/api/v1/runs/{id}/retry", OPERATE),
    ("POST", "/api/v1/runs/{id}/rerun", OPERATE),
    ("POST", "/api/v1/runs/{id}/steps", ADD_STEPS),
    ("GET", "/api/v1/audit", READ),
    ("POST", "/api/v1/leases", RUN),
    ("POST", "/api/v1/attempts/{task}/{n}/start", RUN),
    ("POST", "/api/v1/attempts/{task}/{n}/heartbeat", RUN),
    ("POST", "/api/v1/attempts/{task}/{n}/complete", RUN),
    ("POST", "/api/v1/attempts/{task}/{n}/fail", RUN),
    ("POST", "/api/v1/attempts/{task}/{n}/again", RUN),
    ("GET", "/api/v1/groups", READ),
    ("GET", "/api/v1/groups/{group}", READ),
    ("PUT", "/api/v1/groups/{group}", OPERATE),
    ("POST", "/api/v1/groups/{group}/pause", OPERATE),
    ("POST", "/api/v1/groups/{group}/resume", OPERATE),
    ("GET", "/api/v1/workers", READ),
    ("GET", "/api/v1/workers/{worker}", READ),
    ("POST", "/api/v1/workers/{worker}/drain", OPERATE),
    ("GET", "/api/v1/pods", READ),
    ("GET", "/api/v1/pods/{pod}", READ),
    ("PUT", "/api/v1/pods/{pod}", OPERATE),
    ("POST", "/api/v1/pods/{pod}/pause", OPERATE),
    ("POST", "/api/v1/pods/{pod}/resume", OPERATE),
    ("POST", "/api/v1/pods/{pod}/release", OPERATE),
    ("GET", "/api/v1/stats", READ),
    ("GET", "/api/v1/events", READ),
    ("GET", "/api/v1/explain/{kind}/{id}", READ),
    ("GET", "/metrics", READ),
    ("POST", "/api/v1/tokens", ADMIN),
    ("GET", "/api/v1/tokens", ADMIN),
    ("DELETE", "/api/v1/tokens/{id}", ADMIN),
    ("POST", "/capataz.v1.Tasks/Submit", SUBMIT),
    ("POST", "/capataz.v1.Tasks/SubmitStream", SUBMIT),
    ("POST", "/capataz.v1.Workers/Session", RUN),
];

/// Routes that need no token, beside the page.
const OPEN: &[&str] = &["/livez", "/readyz", "/api/openapi.json"];
/// The page for people, with its scripts below it.
const PAGE: &str = "/api/docs";

/// What the table says of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Right {
    /// These roles may.
    Roles(&'static [Role]),
    /// Nobody may: the route has only these methods.
    OtherMethods(Vec<&'static str>),
    /// Nobody may: the table does not have the route.
    Unknown,
}

/// Who may ask for `route` with `method`. Whoever may read may ask for the headers alone.
pub(crate) fn right(method: &Method, route: &str) -> Right {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut others = Vec::new();
    for (known, _, roles) in ROUTES.iter().filter(|(_, known, _)| *known == route) {
        if *known == method {
            return Right::Roles(roles);
        }
        others.push(*known);
    }
    match others.is_empty() {
        true => Right::Unknown,
        false => Right::OtherMethods(others),
    }
}

/// Whether a path needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || is_page(path)
}

/// Whether a path is of the page that shows the documentation.
pub(super) fn is_page(path: &str) -> bool {
    path == PAGE
        || path
            .strip_prefix(PAGE)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        assert_eq!(right(&Method::GET, "/api/v1/nothing"), Right::Unknown);
        assert_eq!(right(&Method::GET, "/api/{*path}"), Right::Unknown);
        let others = Right::OtherMethods(vec!["POST", "GET"]);
        assert_eq!(right(&Method::DELETE, "/api/v1/tasks"), others);
        assert_eq!(right(&Method::HEAD, "/api/v1/tasks"), Right::Roles(READ));
    }

    #[test]
    fn an_admin_may_everything_and_no_route_is_there_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (method, route, roles) in ROUTES {
            assert!(roles.contains(&Admin), "{method} {route}");
            assert!(seen.insert((method, route)), "{method} {route}");
        }
    }
}
