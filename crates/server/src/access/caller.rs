//! Who asks, as the access check found out. Every handler gets one with its request; a request that
//! comes without has gone round the check and is refused.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::Role;
use capataz_engine as engine;
use capataz_engine::{Token, TokenId};

use crate::clock;
use crate::namespace::Tokens;
use crate::rest::ProblemResponse;

/// How often a stream looks whether its token has expired: the wall clock may jump.
const LOOK: Duration = Duration::from_secs(1);

/// Who asks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller(Option<Holder>);

/// The holder of a token on record.
#[derive(Clone)]
struct Holder {
    id: TokenId,
    token: Arc<Token>,
    tokens: Tokens,
}

impl Caller {
    /// The operator of the server: by the token in its data folder, or by being in this process.
    pub(crate) fn owner() -> Caller {
        Caller(None)
    }

    /// The holder of a token that is good.
    pub(crate) fn holder(id: TokenId, token: Arc<Token>, tokens: Tokens) -> Caller {
        Caller(Some(Holder { id, token, tokens }))
    }

    /// The caller of a request.
    pub(crate) fn of(extensions: &Extensions) -> Result<Caller, Problem> {
        extensions.get::<Caller>().cloned().ok_or_else(|| {
            tracing::error!("a request came round the access check");
            Problem::new(Code::Unauthorized, "nobody has checked this request")
        })
    }

    /// What the caller may do.
    pub(crate) fn role(&self) -> Role {
        match &self.0 {
            None => Role::Admin,
            Some(holder) => wire_role(&holder.token.role),
        }
    }

    /// What the audit trail calls the caller: the name of the token, its id when it has none, and
    /// `local` for whoever has the data folder's token or is in this process.
    pub(crate) fn actor(&self) -> String {
        match &self.0 {
            None => "local".to_owned(),
            Some(holder) if holder.token.name.is_empty() => holder.id.to_string(),
            Some(holder) => holder.token.name.clone(),
        }
    }

    /// Whether the caller is confined to some groups.
    pub(crate) fn is_confined(&self) -> bool {
        self.groups().is_some()
    }

    fn groups(&self) -> Option<&[String]> {
        self.0.as_ref()?.token.role.groups()
    }

    /// Refuses what is about a group that the caller has nothing to do with.
    pub(crate) fn check_group(&self, group: &str) -> Result<(), Problem> {
        match self.groups() {
            Some(groups) if !groups.iter().any(|own| own == group) => {
                let own = groups.join(", ");
                let detail = format!("the token is for groups {own}, not for {group:?}");
                Err(Problem::new(Code::Forbidden, detail).limit(own).got(group))
            }
            _ => Ok(()),
        }
    }

    /// Whether this can come to an end before the server does.
    pub(crate) fn can_end(&self) -> bool {
        self.0.is_some()
    }

    /// Returns when the token is revoked or has expired.
    pub(crate) async fn ended(&self) {
        let Some(Holder { id, token, tokens }) = &self.0 else {
            return std::future::pending().await;
        };
        let expired = async {
            if token.expires_at.is_none() {
                return std::future::pending().await;
            }
            while !token.is_expired(clock::wall()) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = tokens.revoked(*id) => {}
            () = expired => {}
        }
    }

    /// What a caller is told whose token has ended meanwhile.
    pub(crate) fn over() -> Problem {
        Problem::new(Code::Unauthorized, "the token was revoked or has expired")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, ProblemResponse> {
        Ok(Caller::of(&parts.extensions)?)
    }
}

/// A role as callers know it.
pub(crate) fn wire_role(role: &engine::Role) -> Role {
    match role {
        engine::Role::Admin => Role::Admin,
        engine::Role::Operator => Role::Operator,
        engine::Role::Submitter => Role::Submitter,
        engine::Role::Viewer => Role::Viewer,
        engine::Role::Worker { .. } => Role::Worker,
    }
}
