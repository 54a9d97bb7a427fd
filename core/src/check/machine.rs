//! [`Machine`]: what a session can be asked and told, so that a double can stand in for it.

use core::time::Duration;

use bstr::BStr;

use crate::action::Action;
use crate::note::Note;
use crate::path::VPath;
use crate::session::Session;
use crate::ticket::{Event, Foreign};
use crate::time::Instant;

macro_rules! machine {
    ($(fn $name:ident(&$self:ident $(, $argument:ident: $kind:ty)*) $(-> $result:ty)?;)*
     $(mut fn $mut_name:ident(&mut $mut_self:ident $(, $mut_argument:ident: $mut_kind:ty)*)
        $(-> $mut_result:ty)?;)*) => {
        /// The methods of [`Session`], under the same names and with the same meaning.
        ///
        /// Whatever implements it can be watched by [`Checked`](super::Checked): a session, or a
        /// session with a planted fault that the check must find.
        pub trait Machine {
            $(
                #[doc = concat!("As [`Session::", stringify!($name), "`].")]
                fn $name(&$self $(, $argument: $kind)*) $(-> $result)?;
            )*
            $(
                #[doc = concat!("As [`Session::", stringify!($mut_name), "`].")]
                fn $mut_name(&mut $mut_self $(, $mut_argument: $mut_kind)*) $(-> $mut_result)?;
            )*
        }

        impl Machine for Session {
            $(
                fn $name(&$self $(, $argument: $kind)*) $(-> $result)? {
                    Session::$name($self $(, $argument)*)
                }
            )*
            $(
                fn $mut_name(&mut $mut_self $(, $mut_argument: $mut_kind)*) $(-> $mut_result)? {
                    Session::$mut_name($mut_self $(, $mut_argument)*)
                }
            )*
        }
    };
}

machine! {
    fn wants_input(&self) -> bool;
    fn transmit(&self) -> &[u8];
    fn deadline(&self) -> Option<Instant>;
    fn path(&self) -> &VPath;
    fn rename_from(&self) -> &VPath;
    fn link_target(&self) -> &VPath;
    fn username(&self) -> &BStr;
    fn password(&self) -> &[u8];
    fn heap_size(&self) -> usize;
    mut fn receive(&mut self, now: Instant, bytes: &[u8]) -> usize;
    mut fn receive_eof(&mut self, now: Instant);
    mut fn lost(&mut self, now: Instant);
    mut fn shutdown(&mut self, now: Instant, grace: Duration);
    mut fn transmitted(&mut self, now: Instant, count: usize);
    mut fn tick(&mut self, now: Instant);
    mut fn poll(&mut self) -> Option<Action>;
    mut fn handle(&mut self, now: Instant, event: Event) -> Result<(), Foreign>;
    mut fn progress(&mut self, now: Instant, total: u64);
    mut fn report(&mut self, now: Instant, lines: &[u8]) -> usize;
    mut fn note(&mut self) -> Option<Note>;
}
