//! Fuzzes what `checks/expression.rs` describes.
#![no_main]

#[path = "../checks/expression.rs"]
mod expression;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| expression::check(bytes));
