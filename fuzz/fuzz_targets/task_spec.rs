//! Fuzzes what `checks/task_spec.rs` describes.
#![no_main]

#[path = "../checks/task_spec.rs"]
mod task_spec;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| task_spec::check(bytes));
