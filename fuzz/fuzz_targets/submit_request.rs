//! Fuzzes what `checks/submit_request.rs` describes.
#![no_main]

#[path = "../checks/submit_request.rs"]
mod submit_request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| submit_request::check(bytes));
