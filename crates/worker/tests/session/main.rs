//! Sessions: the logic alone on fake time, and the whole over gRPC against a master of the test.

mod frames;
mod logic;
mod master;
mod over_grpc;
