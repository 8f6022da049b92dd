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
    ("POST", "/api/v1/runs:batch", SUBMIT),
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
    ("POST", "/api/v1/attempts/{task}/{n}/tasks", RUN),
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
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        assert_eq!(right(&Method::GET, "/api/v1/nothing"), Right::Unknown);
        assert_eq!(right(&Method::GET, "/api/{*path}"), Right::Unknown);
        let others = Right::OtherMethods(vec!["POST", "GET"]);
        assert_eq!(right(&Method::DELETE, "/api/v1/tasks"), others);
        assert_eq!(right(&Method::HEAD, "/api/v1/tasks"), Right::Roles(READ));
    }

    const FOR_READERS: &str = include_str!("../../../../docs/concepts/threat-model.md");
    /// What stands on the page for every `GET` that has no row of its own.
    const EVERY_GET: (&str, &str) = ("GET", "/api/v1/*");

    /// The page's table: which roles may use the routes of each row.
    fn told() -> BTreeMap<(&'static str, String), BTreeSet<&'static str>> {
        let (_, page) = FOR_READERS
            .split_once("## What each role may do")
            .expect("the table");
        let rows = page.lines().skip_while(|line| !line.starts_with('|'));
        let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim);
        let mut rows = rows.take_while(|line| line.starts_with('|')).map(cells);
        let roles: Vec<&str> = rows.next().expect("a head").skip(2).collect();
        let mut told = BTreeMap::new();
        for mut row in rows.skip(1) {
            let routes = row.nth(1).expect("routes").split('`').skip(1).step_by(2);
            let may = roles.iter().zip(row).filter(|(_, may)| !may.is_empty());
            let may: BTreeSet<&str> = may.map(|(role, _)| *role).collect();
            for route in routes {
                assert!(
                    told.insert(written_out(route), may.clone()).is_none(),
                    "{route}"
                );
            }
        }
        told
    }

    /// A route of the page as the table here has it.
    fn written_out(route: &'static str) -> (&'static str, String) {
        match route.split_once(' ').expect("a method and a path") {
            ("gRPC", path) => ("POST", format!("/capataz.v1.{path}")),
            (method, "*") => (method, EVERY_GET.1.to_owned()),
            (method, path) => (method, format!("/api/v1{path}")),
        }
    }

    #[test]
    fn the_page_for_readers_says_the_same() {
        let mut told = told();
        let gets = told.remove(&(EVERY_GET.0, EVERY_GET.1.to_owned()));
        let gets = gets.expect("a row for every other GET");
        for (method, route, roles) in ROUTES {
            let roles: BTreeSet<&str> = roles.iter().map(|role| role.as_str()).collect();
            let row = told.remove(&(*method, (*route).to_owned()));
            let may = row.unwrap_or_else(|| match *method {
                "GET" => gets.clone(),
                _ => panic!("the page lacks {method} {route}"),
            });
            assert_eq!(may, roles, "{method} {route}");
        }
        assert!(told.is_empty(), "there are no such routes: {told:?}");
    }

    #[test]
    fn an_admin_may_everything_and_no_route_is_there_twice() {
        let mut seen = BTreeSet::new();
        for (method, route, roles) in ROUTES {
            assert!(roles.contains(&Admin), "{method} {route}");
            assert!(seen.insert((method, route)), "{method} {route}");
        }
    }
}
