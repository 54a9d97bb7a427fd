//! Storages that are slow, hang or fail late, and what every adapter makes of them:
//!
//! ```no_run
//! # fn serve(_: Vec<std::net::TcpListener>, _: &std::sync::Arc<wharf_driver::Service>) -> std::io::Result<()> { Ok(()) }
//! wharf_awkward::cases!(serve);
//! # fn main() {}
//! ```

mod cases;
mod client;
mod storage;

pub use cases::*;

/// Has each case be a test of the server that this function runs.
#[macro_export]
macro_rules! cases {
    ($serve:path) => {
        $crate::cases!($serve;
            answers_an_abort_while_a_write_takes_long,
            tells_how_far_a_slow_upload_is,
            serves_other_homes_while_one_hangs,
            tells_a_client_for_whom_no_thread_is_free,
            cancels_what_a_lost_session_has_begun,
            moves_every_byte_one_by_one,
            says_that_a_commit_failed_late,
            waits_for_a_commit_that_goes_on,
            waits_with_those_who_wait_for_their_turn,
            lists_what_is_there_by_now,
            tells_who_is_connected_and_ends_who_shall_go,
        );
    };
    ($serve:path; $($case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                $crate::$case(|listeners, service| $serve(listeners, service));
            }
        )*
    };
}
