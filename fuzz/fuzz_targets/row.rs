//! Fuzzes what `checks/row.rs` describes.
#![no_main]

#[path = "../checks/row.rs"]
mod row;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| row::check(bytes));
