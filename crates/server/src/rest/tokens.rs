//! Tokens. Their texts are made here, shown once, and kept nowhere.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{AccessToken, Changed, Items, NoBody, Role, TokenCreated, TokenRequest};
use capataz_engine::{self as engine, Answer as Told, Command, NewToken, Span, Token, TokenId};

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Path};
use super::task_item::time;
use crate::access::{Secret, hash, wire_role};
use crate::clock;

/// Make a token
///
/// The answer is the only one that has its text. When it is lost, revoke the token and make
/// another: repeated under the same request id, the call is refused.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "create_token", tag = "tokens",
    params(IdempotencyKey),
    request_body(content = TokenRequest, example = json!({
        "role": "worker", "groups": ["hash"], "name": "farm-1", "expires_in": "90d",
    })),
    responses(
        (status = 201, description = "It is good from now on.", body = TokenCreated),
        (status = 409, description = "The request id was used before."),
        (status = 429, description = "There are too many tokens."),
    ))]
pub(super) async fn create(
    State(context): State<Context>,
    _: NoQuery,
    change: Change<TokenRequest>,
) -> Answer<(StatusCode, Json<TokenCreated>)> {
    let made = Secret::random().map_err(|error| no_random(&error))?;
    let request = change.body;
    let command = Command::CreateToken(NewToken {
        id: made.id,
        hash: hash(&made.text),
        name: request.name.unwrap_or_default(),
        role: role(request.role, request.groups),
        expires_in: request.expires_in.map(|span| Span(span.0)),
    });
    let called = context.namespace.call(change.once.wrap(command)).await?;
    if called.answer != Told::TokenCreated(made.id) {
        let detail = "the token of this request id was made before, and is not shown twice";
        let hint = "find it in the list by its name, revoke it, and make another";
        return Err(Problem::new(Code::RequestConflict, detail)
            .hint(hint)
            .into());
    }
    let created = TokenCreated {
        id: made.id.to_string(),
        token: made.text,
        position: called.position.get(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// List tokens
///
/// Expired ones are listed for a day or longer.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, description = "All tokens, the oldest first, without their texts.",
        body = Items<AccessToken>)))]
pub(super) async fn list(
    State(context): State<Context>,
    _: NoQuery,
) -> Answer<Json<Items<AccessToken>>> {
    let read = |state: &engine::State| -> Vec<(TokenId, Token)> {
        let tokens = state.tokens();
        tokens.map(|(id, token)| (id, token.clone())).collect()
    };
    let (mut tokens, _) = context.namespace.query(read).await?;
    tokens.sort_by_key(|(id, token)| (token.created_at, *id));
    let shown = |(id, token)| shown(context.namespace.name(), id, token);
    Ok(Json(Items {
        items: tokens.into_iter().map(shown).collect(),
    }))
}

/// Revoke a token
///
/// Its next call is refused, and what it has open ends.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "revoke_token",
    tag = "tokens",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `3f00d1c2b4a59687`.")),
    responses(
        (status = 200, description = "It is not good for anything any more.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
    ))]
pub(super) async fn revoke(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let id = id.parse().map_err(|_| not_found("token", &id))?;
    context
        .change(change.once, Command::RevokeToken { id })
        .await
}

fn shown(namespace: &str, id: TokenId, token: Token) -> AccessToken {
    AccessToken {
        id: id.to_string(),
        role: wire_role(&token.role),
        groups: token.role.groups().unwrap_or_default().to_vec(),
        namespace: namespace.to_owned(),
        created_at: time(token.created_at),
        expires_at: token.expires_at.map(time),
        expired: token.is_expired(clock::wall()),
        name: token.name,
    }
}

fn role(role: Role, groups: Vec<String>) -> engine::Role {
    match role {
        Role::Admin => engine::Role::Admin,
        Role::Operator => engine::Role::Operator,
        Role::Submitter => engine::Role::Submitter,
        Role::Viewer => engine::Role::Viewer,
        Role::Worker => engine::Role::Worker { groups },
    }
}

fn no_random(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "the system gives no random bytes");
    Problem::new(Code::Internal, "the system gives no random bytes")
}
