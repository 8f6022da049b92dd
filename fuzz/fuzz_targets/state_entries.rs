//! Fuzzes what `checks/state_entries.rs` describes.
#![no_main]

#[path = "../checks/state_entries.rs"]
mod state_entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| state_entries::check(bytes));
