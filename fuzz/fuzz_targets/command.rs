//! Hands what libFuzzer makes to `wharf_fuzz::command`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wharf_fuzz::command(bytes));
