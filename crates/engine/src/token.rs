//! Tokens: who may ask for what. The engine keeps them and enforces nothing: whoever takes
//! requests does. A token's secret never gets here, only its hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// A token's number: random, not secret, and a part of the token itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TokenId(pub u64);

/// What the holder of a token may do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads, submits, and runs the place: groups, pods, workers.
    Operator,
    /// Reads, submits, cancels and retries.
    Submitter,
    /// Reads.
    Viewer,
    /// Runs attempts of these groups.
    Worker {
        /// The groups, at least one.
        groups: Vec<String>,
    },
}

/// A token that is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// Random.
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// For people.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// How long it is good for; for ever when not given.
    pub expires_in: Option<Span>,
}

/// A token on record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// For people.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl Token {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Role {
    /// Its name in lower case.
    pub fn name(&self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Submitter => "submitter",
            Role::Viewer => "viewer",
            Role::Worker { .. } => "worker",
        }
    }

    /// The groups it is confined to; none when it is not confined.
    pub fn groups(&self) -> Option<&[String]> {
        match self {
            Role::Worker { groups } => Some(groups),
            _ => None,
        }
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not the id of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a token, 16 hexadecimal digits; got {got:?}")]
pub struct ParseTokenIdError {
    /// What came.
    pub got: String,
}

impl FromStr for TokenId {
    type Err = ParseTokenIdError;

    fn from_str(text: &str) -> Result<TokenId, ParseTokenIdError> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let plain = text.len() == 16 && text.bytes().all(digit);
        let number = plain.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(TokenId).ok_or_else(|| ParseTokenIdError {
            got: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_id_has_one_spelling() {
        let id = TokenId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "1",
            "0123456789ABCDEF",
            "+123456789abcdef",
            "0123456789abcdef0",
        ] {
            assert!(bad.parse::<TokenId>().is_err(), "{bad:?} was accepted");
        }
    }
}
