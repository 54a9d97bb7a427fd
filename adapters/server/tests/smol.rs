//! The conversations that every server holds, with this one.

fn main() {
    wharf_tests::run(env!("CARGO_BIN_EXE_wharf-smol"));
}
