//! Fuzzes what `checks/task_json.rs` describes.
#![no_main]

#[path = "../checks/task_json.rs"]
mod task_json;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| task_json::check(bytes));
