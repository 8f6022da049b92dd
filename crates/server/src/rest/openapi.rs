//! The OpenAPI document, and the page that shows it.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use capataz_api::problem::{Code, MEDIA_TYPE, Problem};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, Schema};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::context::Context;
use super::refusal::ProblemResponse;
use super::request::NoQuery;
use crate::access::{Right, right};

/// Where the document is.
pub(super) const DOCUMENT: &str = "/api/openapi.json";
/// Where the page is.
const PAGE: &str = "/api/docs";

/// Everything but the routes, which bring their own descriptions.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Capataz",
        description = "Durable tasks, run by workers. Ids are texts; times are RFC 3339 in UTC \
            with six fraction digits; durations are texts such as `1m 30s` or seconds. Errors are \
            problem documents (RFC 9457) with a stable `code`. A mutation's `position` can be \
            given to lists, which then show its effect.",
    ),
    components(schemas(Problem, Code)),
    tags(
        (name = "tasks", description = "Submit, list, cancel and retry tasks."),
        (name = "workflows", description = "Templates of steps, by name and version."),
        (name = "runs", description = "Live executions of workflows, with their audit trail."),
        (name = "attempts", description = "What a worker without gRPC does."),
        (name = "groups", description = "Consumer groups."),
        (name = "workers", description = "Workers and their sessions."),
        (name = "pods", description = "Named slices of machines."),
        (name = "tokens", description = "Who may ask for what."),
        (name = "server", description = "What happens, and how the server is."),
    ),
    security(("token" = [])),
    modifiers(&Token),
)]
pub(super) struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token that an admin made, or the one in the file `admin-token` of the server's \
                    data folder.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Adds the refusals that every route may answer with, so that each route names only its own.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let optional = all_optional(document);
    for (path, item) in &mut document.paths.paths {
        let open = !path.starts_with("/api/v1") && path != "/metrics";
        for (method, operation) in operations(item) {
            let changes = method != Method::GET;
            say_who_may(&method, path, operation);
            refuse(operation, 400, "A parameter or the body is not acceptable.");
            refuse(
                operation,
                421,
                "The request names a host that is not this server's.",
            );
            if !open {
                refuse(operation, 401, "There is no valid token.");
                refuse(
                    operation,
                    404,
                    "There is no such thing, or no such namespace.",
                );
                refuse(operation, 500, "A defect of the server.");
                refuse(
                    operation,
                    503,
                    "The server cannot do it now; a later try may succeed.",
                );
            }
            if changes || !open {
                let description = "The token's role or groups do not allow it, or the request comes \
                    from a foreign page.";
                refuse(operation, 403, description);
            }
            if operation.request_body.is_some() {
                refuse(operation, 413, "The body is too large.");
                refuse(
                    operation,
                    415,
                    "The body is not of the media type that is taken.",
                );
            }
            show_problems(operation);
            excuse_body(operation, &optional);
        }
    }
}

/// Schemas without a required member.
fn all_optional(document: &utoipa::openapi::OpenApi) -> BTreeSet<String> {
    let schemas = document.components.iter().flat_map(|all| &all.schemas);
    let optional = schemas.filter(|(_, schema)| {
        matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty())
    });
    let references = optional.map(|(name, _)| Ref::from_schema_name(name).ref_location);
    references.collect()
}

/// No body stands for an object without members: where none is required, no body is.
fn excuse_body(operation: &mut Operation, optional: &BTreeSet<String>) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    let excused = |content: &RefOr<Content>| match content {
        RefOr::T(Content {
            schema: Some(RefOr::Ref(reference)),
            ..
        }) => optional.contains(&reference.ref_location),
        _ => false,
    };
    if body.content.values().all(excused) {
        body.required = Some(Required::False);
    }
}

/// The operations of a path with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let gets = item
        .get
        .iter_mut()
        .map(|operation| (Method::GET, operation));
    let posts = item
        .post
        .iter_mut()
        .map(|operation| (Method::POST, operation));
    let puts = item
        .put
        .iter_mut()
        .map(|operation| (Method::PUT, operation));
    let deletes = item
        .delete
        .iter_mut()
        .map(|operation| (Method::DELETE, operation));
    gets.chain(posts).chain(puts).chain(deletes)
}

/// Adds to an operation's description which roles may use it.
fn say_who_may(method: &Method, path: &str, operation: &mut Operation) {
    let Right::Roles(roles) = right(method, path) else {
        return;
    };
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let roles = format!("Roles: {}.", names.join(", "));
    let said = operation.description.take();
    let said = said.filter(|said| !said.is_empty());
    operation.description = Some(said.map_or(roles.clone(), |said| format!("{said}\n\n{roles}")));
}

fn refuse(operation: &mut Operation, status: u16, description: &str) {
    let responses = &mut operation.responses.responses;
    let refusal = || RefOr::T(Response::new(description));
    responses.entry(status.to_string()).or_insert_with(refusal);
}

/// Every refusal is a problem document, unless its route says that it is something else.
fn show_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let schema = Ref::from_schema_name("Problem");
            let content = Content::new(Some(schema));
            response
                .content
                .insert(MEDIA_TYPE.to_owned(), content.into());
        }
    }
}

/// The routes of the document and the page. The document is rendered once.
pub(super) fn router(document: &utoipa::openapi::OpenApi) -> Router<Context> {
    let json = serde_json::to_vec(document).expect("the document is made of texts and numbers");
    let json = Bytes::from(json);
    let page = SwaggerUi::new(PAGE).config(Config::from(DOCUMENT));
    let document = get(async move |_: NoQuery| -> Result<_, ProblemResponse> {
        Ok(([(header::CONTENT_TYPE, "application/json")], json.clone()).into_response())
    });
    Router::new().route(DOCUMENT, document).merge(page)
}
