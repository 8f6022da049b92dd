//! Refusals: one document (RFC 9457) with one stable code, over REST and gRPC alike.
//!
//! `docs/reference/errors.md` lists every code; a test compares that page with [`Code::ALL`].

mod code;
mod document;
mod grpc;

pub use code::Code;
pub use document::{Document, MEDIA_TYPE, Problem};
