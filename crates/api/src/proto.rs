//! Types generated from `proto/capataz/v1/capataz.proto`.

#![allow(missing_docs, clippy::all, reason = "generated code")]

tonic::include_proto!("capataz.v1");
