//! The conversations that every server holds over plain sockets, with this one.

fn main() {
    wharf_tests::run_conversations(env!("CARGO_BIN_EXE_wharf-tokio"));
}
