//! Hands what libFuzzer makes to `wharf_fuzz::proxy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wharf_fuzz::proxy(bytes));
