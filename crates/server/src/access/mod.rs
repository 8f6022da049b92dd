//! Who may ask what: the outermost layer, over REST and gRPC alike. Deny by default.
//!
//! `check.rs` is what every request of the listener passes: host, origin, token, namespace, role.
//! `headers.rs` says on every answer what a browser may do with it.
//! `rights.rs` is the table that it asks. A handler learns who asks by [`Caller`], and asks
//! `scope.rs` where the answer depends on whose task it is about.

mod bounded;
mod caller;
mod check;
mod headers;
mod rights;
mod scope;
mod secret;

pub(crate) use caller::{Caller, wire_role};
pub(crate) use check::{Access, check};
pub(crate) use headers::tell_browsers;
pub(crate) use rights::{Right, right};
pub(crate) use scope::{OwnAttempts, check_task, check_worker};
pub(crate) use secret::{PREFIX, Secret, hash, random_hex};
