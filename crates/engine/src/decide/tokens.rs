//! Making and revoking tokens.

use super::settings::check_room;
use super::{answered, check_range, done};
use crate::command::{Answer, Decision};
use crate::event::Change;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;
use crate::token::{NewToken, Role, Token, TokenId};

pub(super) fn create(
    state: &State,
    now: Timestamp,
    token: NewToken,
) -> Result<Decision, Rejection> {
    if let Role::Worker { groups } = &token.role {
        let most = limits::WORKER_GROUPS as u64;
        check_range("groups", 1, most, groups.len() as u64)?;
    }
    let id = token.id;
    if state.tokens.contains_key(&id) {
        return Err(Rejection::TokenExists { id });
    }
    let forgotten = long_expired(state, now);
    check_room(
        state.tokens.len() - forgotten.len(),
        limits::TOKENS,
        "tokens",
    )?;
    let forgotten = forgotten.into_iter().map(|id| Change::TokenRevoked { id });
    let token = Token {
        hash: token.hash,
        name: token.name,
        role: token.role,
        created_at: now,
        expires_at: token.expires_in.map(|span| now + span),
    };
    let changes = forgotten.chain([Change::TokenCreated { id, token }]);
    Ok(answered(now, changes, Answer::TokenCreated(id)))
}

pub(super) fn revoke(state: &State, now: Timestamp, id: TokenId) -> Result<Decision, Rejection> {
    match state.tokens.contains_key(&id) {
        true => Ok(done(now, [Change::TokenRevoked { id }])),
        false => Err(Rejection::UnknownToken { id }),
    }
}

/// Tokens that are of no use and that nobody looks for any more. New ones take their room.
fn long_expired(state: &State, now: Timestamp) -> Vec<TokenId> {
    let over = |at: Timestamp| at + limits::EXPIRED_TOKEN_KEPT <= now;
    let expired = state
        .tokens
        .iter()
        .filter(|(_, token)| token.expires_at.is_some_and(over));
    expired
        .map(|(id, _)| *id)
        .take(limits::SWEEP_PER_EVENT)
        .collect()
}
