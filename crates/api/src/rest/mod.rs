//! The documents of REST: every request and every answer, as serde and OpenAPI know them.
//!
//! Nothing here decides anything: the server fills answers in, clients read them.

mod blob;

pub use blob::Blob;
