//! Fuzzes what `checks/worker_frame.rs` describes.
#![no_main]

#[path = "../checks/worker_frame.rs"]
mod worker_frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| worker_frame::check(bytes));
