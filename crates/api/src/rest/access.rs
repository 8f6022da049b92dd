//! Tokens: who may ask for what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Body;
use super::lease::check_count;
use crate::limits;
use crate::span::Span;
use crate::spec::{Flaw, SpecError, check_name};
use crate::timestamp::Timestamp;

/// What the holder of a token may do.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// What a submitter may, and set, pause and drain groups, pods and workers.
    Operator,
    /// What a viewer may, and submit, cancel and retry tasks.
    Submitter,
    /// Look at everything.
    Viewer,
    /// Run attempts of some groups, and read their logs.
    Worker,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [
        Role::Admin,
        Role::Operator,
        Role::Submitter,
        Role::Viewer,
        Role::Worker,
    ];

    /// Its name, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Submitter => "submitter",
            Role::Viewer => "viewer",
            Role::Worker => "worker",
        }
    }
}

/// Makes a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What its holder may do.
    pub role: Role,
    /// The groups of a worker's token: at least one; no other role has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub groups: Vec<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// How long it is good for; default for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Span>,
}

impl Body for TokenRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_count("groups", self.groups.len(), limits::WORKER_GROUPS)?;
        if self.groups.is_empty() && self.role == Role::Worker {
            return Err(SpecError::new("groups", Flaw::Empty));
        }
        if !self.groups.is_empty() && self.role != Role::Worker {
            let (limit, got, unit) = (0, self.groups.len(), "items with this role");
            return Err(SpecError::new(
                "groups",
                Flaw::TooLarge { limit, got, unit },
            ));
        }
        for (place, group) in self.groups.iter().enumerate() {
            check_name(&format!("groups[{place}]"), group)?;
        }
        if self.expires_in == Some(Span(0)) {
            return Err(SpecError::new("expires_in", Flaw::Empty));
        }
        let name = self.name.as_ref();
        name.map_or(Ok(()), |name| check_name("name", name))
    }
}

/// A token that was made. Its text is not kept anywhere: this is the only time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// Names it in lists, and when it is revoked.
    pub id: String,
    /// The token itself.
    pub token: String,
    /// Where it is on record.
    pub position: u64,
}

impl std::fmt::Debug for TokenCreated {
    /// Leaves the token out: answers end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TokenCreated");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}

/// A token as it is listed: without its text, which nobody knows but its holder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    /// Its id.
    pub id: String,
    /// What it is called; empty when nothing was said.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The groups of a worker's token.
    pub groups: Vec<String>,
    /// The namespace that it is for.
    pub namespace: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Whether its time is over.
    pub expired: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(role: Role, groups: &[&str]) -> TokenRequest {
        TokenRequest {
            role,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            name: None,
            expires_in: None,
        }
    }

    #[test]
    fn groups_are_for_workers_and_for_nobody_else() {
        assert!(request(Role::Worker, &["g"]).check().is_ok());
        assert!(request(Role::Worker, &[]).check().is_err());
        assert!(request(Role::Viewer, &[]).check().is_ok());
        assert!(request(Role::Viewer, &["g"]).check().is_err());
        let now = TokenRequest {
            expires_in: Some(Span(0)),
            ..request(Role::Viewer, &[])
        };
        assert!(now.check().is_err());
    }

    #[test]
    fn what_is_shown_once_is_not_shown_by_accident() {
        let made = TokenCreated {
            id: "1".to_owned(),
            token: "cpz_secret".to_owned(),
            position: 1,
        };
        assert!(!format!("{made:?}").contains("secret"));
    }
}
