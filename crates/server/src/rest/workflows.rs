//! Registering, checking and showing workflows.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use capataz_api::limits::LIST_LIMIT_DEFAULT;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{
    Changed, NoBody, Workflow, WorkflowChecked, WorkflowDetail, WorkflowPage, WorkflowPut,
    WorkflowVersion, WorkflowsQuery,
};
use capataz_engine::{Answer as Told, Command, WorkflowView};
use capataz_journal::Position;
use serde_json::Value;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, Definition, IdempotencyKey, NoQuery, Path, Query};
use super::task_item::time;
use crate::store::{Reader, WorkflowRecord};
use crate::workflow;

/// Versions that one answer lists.
const VERSIONS: usize = 100;

/// Register a workflow
///
/// A new version of it, or, with the same definition, the same version again. Live runs go on with
/// the version that they began with.
#[utoipa::path(put, path = "/api/v1/workflows/{name}", operation_id = "put_workflow",
    tag = "workflows",
    params(
        IdempotencyKey,
        ("name" = String, Path, description = "The name that the definition gives itself.",
            min_length = 1, max_length = 255),
    ),
    request_body(content(
        (Object = "application/json"),
        (String = "application/yaml"),
    )),
    responses(
        (status = 200, description = "New runs follow it.", body = WorkflowPut),
        (status = 409, description = "The request id was used for something else."),
        (status = 422, description = "It has flaws; all of them are named, with their lines."),
        (status = 429, description = "There are too many workflows."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn put(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    definition: Definition,
) -> Answer<Json<WorkflowPut>> {
    let compiled = workflow::compile(&definition.text)?;
    let own = compiled.workflow.name();
    if own != name {
        let detail = format!("the definition is of {own:?}, not of {name:?}");
        return Err(Problem::new(Code::InvalidField, detail)
            .field("name")
            .limit(name)
            .got(own)
            .into());
    }
    let content = compiled.version.content;
    let put = Command::PutWorkflow {
        name: name.clone(),
        version: Box::new(compiled.version),
    };
    let called = context.namespace.call(definition.once.wrap(put)).await?;
    let version = match called.answer {
        Told::Version(number) => number,
        // The request was carried out before.
        _ => number_of(&context, &name, content).await?,
    };
    Ok(Json(WorkflowPut {
        name,
        version,
        position: called.position.get(),
    }))
}

/// The number of a version that was registered before.
async fn number_of(context: &Context, name: &str, content: u128) -> Answer<u32> {
    context.catch_up().await?;
    let wanted = name.to_owned();
    let found = context
        .read(move |store| store.workflow(&wanted, VERSIONS))
        .await?;
    let versions = found.map(|record| record.versions).unwrap_or_default();
    let version = versions.iter().find(|version| version.content == content);
    Ok(version.ok_or_else(|| not_found("workflow", name))?.number)
}

/// Check a definition
///
/// Nothing is kept of it.
#[utoipa::path(post, path = "/api/v1/workflows:validate", operation_id = "validate_workflow",
    tag = "workflows",
    request_body(content(
        (Object = "application/json"),
        (String = "application/yaml"),
    )),
    responses((status = 200, description = "Whether it can be registered, and all that is wrong \
        with it.", body = WorkflowChecked)))]
pub(super) async fn validate(_: NoQuery, definition: Definition) -> Answer<Json<WorkflowChecked>> {
    let read = workflow::compile(&definition.text);
    let read = read.as_ref().map(|compiled| &*compiled.workflow);
    Ok(Json(capataz_workflow::checked(read)))
}

/// Show the schema of definitions
#[utoipa::path(get, path = "/api/v1/workflows:schema", operation_id = "workflow_schema",
    tag = "workflows",
    responses((status = 200, description = "A JSON Schema, draft 2020-12.", body = Object)))]
pub(super) async fn schema(_: NoQuery) -> Answer<Json<Value>> {
    Ok(Json(capataz_workflow::schema()))
}

/// List workflows
#[utoipa::path(get, path = "/api/v1/workflows", operation_id = "list_workflows",
    tag = "workflows", params(WorkflowsQuery),
    responses((status = 200, description = "Registered workflows, by name.",
        body = WorkflowPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Query(query): Query<WorkflowsQuery>,
) -> Answer<Json<WorkflowPage>> {
    match query.position {
        Some(position) => context.await_store(Position::new(position)).await?,
        None => context.catch_up_briefly().await?,
    }
    let limit = query.limit.unwrap_or(LIST_LIMIT_DEFAULT);
    let after = query.cursor.unwrap_or_default();
    let read = move |store: &Reader| {
        let names = store.registered_workflows(&after, limit)?;
        let mut found = Vec::new();
        for name in names {
            let (record, definition) = look_up(store, &name)?;
            found.extend(record.map(|record| (record, definition)));
        }
        Ok(found)
    };
    let found = context.read(read).await?;
    let names: Vec<String> = found
        .iter()
        .map(|(record, _)| record.name.clone())
        .collect();
    let cursor = names.last().cloned().filter(|_| names.len() >= limit);
    let read = move |state: &capataz_engine::State| -> Vec<Option<WorkflowView>> {
        names.iter().map(|name| state.workflow_view(name)).collect()
    };
    let (views, _) = context.namespace.query(read).await?;
    let items = found.iter().zip(&views);
    let items = items.map(|((record, definition), view)| shown(record, definition, view.as_ref()));
    Ok(Json(WorkflowPage {
        items: items.collect(),
        cursor,
    }))
}

/// Show a workflow
#[utoipa::path(get, path = "/api/v1/workflows/{name}", operation_id = "show_workflow",
    tag = "workflows",
    params(("name" = String, Path, description = "Its name.", min_length = 1, max_length = 255)),
    responses((status = 200, description = "The workflow.", body = WorkflowDetail)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
) -> Answer<Json<WorkflowDetail>> {
    let wanted = name.clone();
    let read = move |state: &capataz_engine::State| state.workflow_view(&wanted);
    let (view, position) = context.namespace.query(read).await?;
    context.await_store(position).await?;
    let wanted = name.clone();
    let (record, definition) = context.read(move |store| look_up(store, &wanted)).await?;
    let record = record.ok_or_else(|| not_found("workflow", &name))?;
    let versions = record.versions.iter().map(|version| WorkflowVersion {
        version: version.number,
        content: format!("{:032x}", version.content),
        stored_at: time(version.stored_at),
        runs: version.runs,
    });
    Ok(Json(WorkflowDetail {
        workflow: shown(&record, &definition, view.as_ref()),
        versions: versions.collect(),
        definition,
        position: position.get(),
    }))
}

/// A workflow with the definition that new runs follow, or else its last.
fn look_up(
    store: &Reader,
    name: &str,
) -> Result<(Option<WorkflowRecord>, Value), crate::store::ReadError> {
    let Some(record) = store.workflow(name, VERSIONS)? else {
        return Ok((None, Value::Null));
    };
    let last = record.versions.first().map(|version| version.number);
    let definition = match record.registered.or(last) {
        Some(number) => store.definition(name, number)?,
        None => None,
    };
    let definition = definition.and_then(|definition| serde_json::from_slice(&definition).ok());
    Ok((Some(record), definition.unwrap_or_default()))
}

fn shown(record: &WorkflowRecord, definition: &Value, view: Option<&WorkflowView>) -> Workflow {
    let registered = record.versions.iter();
    let registered = registered
        .clone()
        .find(|version| Some(version.number) == record.registered);
    let settings = view.map(|view| &view.settings);
    let steps = definition["steps"].as_array().map_or(0, Vec::len);
    Workflow {
        name: record.name.clone(),
        version: record.registered,
        registered_at: registered.map(|version| time(version.stored_at)),
        description: definition["description"].as_str().map(str::to_owned),
        steps: steps as u32,
        running: view.map_or(0, |view| view.running),
        waiting: view.map_or(0, |view| view.waiting),
        tasks: view.map_or(0, |view| view.tasks),
        max_runs: settings.and_then(|settings| settings.max_runs),
        max_steps: settings.and_then(|settings| settings.max_steps),
        failures: view.map_or(0, |view| view.failures),
        held_until: view.and_then(|view| view.held_until).map(time),
    }
}

/// Show a version of a workflow
#[utoipa::path(get, path = "/api/v1/workflows/{name}/versions/{n}",
    operation_id = "show_workflow_version", tag = "workflows",
    params(
        ("name" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
        ("n" = String, Path, description = "The version, from 1.")),
    responses((status = 200, description = "The definition.", body = Object)))]
pub(super) async fn version(
    State(context): State<Context>,
    Path((name, n)): Path<(String, String)>,
    _: NoQuery,
) -> Answer<impl IntoResponse> {
    let number: u32 = n.parse().map_err(|_| not_found("version", &n))?;
    context.catch_up().await?;
    let found = context
        .read(move |store| store.definition(&name, number))
        .await?;
    let definition = found.ok_or_else(|| not_found("version", &n))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], definition))
}

/// Take a workflow out of the registered ones
///
/// Its runs go on, and what is kept of it stays.
#[utoipa::path(delete, path = "/api/v1/workflows/{name}", operation_id = "delete_workflow",
    tag = "workflows",
    params(
        IdempotencyKey,
        ("name" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    responses(
        (status = 200, description = "No new run of it starts.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
    ))]
pub(super) async fn delete(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let removed = Command::RemoveWorkflow { name };
    context.change(change.once, removed).await
}

/// Let runs begin although the last ones failed
#[utoipa::path(post, path = "/api/v1/workflows/{name}/clear", operation_id = "clear_workflow",
    tag = "workflows",
    params(
        IdempotencyKey,
        ("name" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "Its runs begin.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
    ))]
pub(super) async fn clear(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    context
        .change(change.once, Command::ClearHold { name })
        .await
}
