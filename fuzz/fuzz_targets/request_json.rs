//! Fuzzes what `checks/request_json.rs` describes.
#![no_main]

#[path = "../checks/request_json.rs"]
mod request_json;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request_json::check(bytes));
