//! [`Machine`]: what a session can be asked and told, so that another can stand in its place.

use core::time::Duration;

use bstr::BStr;

use crate::action::Action;
use crate::config::Config;
use crate::note::Note;
use crate::path::VPath;
use crate::session::{Endpoints, Session, Underway};
use crate::shared::Shared;
use crate::ticket::{Event, Foreign};
use crate::time::Instant;

macro_rules! machine {
    ($(fn $name:ident(&$self:ident) -> $result:ty;)*
     $($(#[$attribute:meta])*
       mut fn $mut_name:ident(&mut $mut_self:ident $(, $argument:ident: $kind:ty)*)
        $(-> $mut_result:ty)?;)*) => {
        /// What a session can be asked and told: the methods of [`Session`], under the same names
        /// and with the same meaning.
        ///
        /// An adapter that is generic over it serves clients with a [`Session`], and is tested with
        /// `check::Checked` (feature `testing`) in its place, which does the same and panics as
        /// soon as something happens that must never happen.
        ///
        /// ```
        /// use wharf_core::{Action, Instant, Machine, Session};
        ///
        /// /// Tells a session the time, and takes what it wants done.
        /// fn turn<M: Machine>(session: &mut M, now: Instant) -> Vec<Action> {
        ///     session.tick(now);
        ///     core::iter::from_fn(|| session.poll()).collect()
        /// }
        ///
        /// # let ends = wharf_core::Endpoints {
        /// #     local: ([127, 0, 0, 1], 21).into(),
        /// #     peer: ([127, 0, 0, 1], 40_000).into(),
        /// # };
        /// let mut session = Session::new(&Default::default(), ends, Instant::ZERO);
        /// assert!(turn(&mut session, Instant::ZERO).is_empty());
        /// ```
        ///
        /// The trait grows with [`Session`]: a type that implements it for tests of its own has
        /// to follow.
        pub trait Machine {
            /// As [`Session::new`].
            #[must_use]
            fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self
            where
                Self: Sized;

            $(
                #[doc = concat!("As [`Session::", stringify!($name), "`].")]
                #[must_use]
                fn $name(&$self) -> $result;
            )*
            $(
                #[doc = concat!("As [`Session::", stringify!($mut_name), "`].")]
                $(#[$attribute])*
                fn $mut_name(&mut $mut_self $(, $argument: $kind)*) $(-> $mut_result)?;
            )*
        }

        impl Machine for Session {
            fn new(config: &Shared<Config>, ends: Endpoints, now: Instant) -> Self {
                Session::new(config, ends, now)
            }

            $(
                fn $name(&$self) -> $result {
                    Session::$name($self)
                }
            )*
            $(
                fn $mut_name(&mut $mut_self $(, $argument: $kind)*) $(-> $mut_result)? {
                    Session::$mut_name($mut_self $(, $argument)*)
                }
            )*
        }
    };
}

machine! {
    fn wants_input(&self) -> bool;
    fn transmit(&self) -> &[u8];
    fn deadline(&self) -> Option<Instant>;
    fn peek_note(&self) -> Option<&Note>;
    fn path(&self) -> &VPath;
    fn rename_from(&self) -> &VPath;
    fn link_target(&self) -> &VPath;
    fn username(&self) -> &BStr;
    fn password(&self) -> &[u8];
    fn is_logged_in(&self) -> bool;
    fn protects_control(&self) -> bool;
    fn protects_data(&self) -> bool;
    fn announces_address(&self) -> bool;
    fn endpoints(&self) -> Endpoints;
    fn underway(&self) -> Option<Underway>;
    fn heap_size(&self) -> usize;
    #[must_use = "bytes that were not taken must be given again"]
    mut fn receive(&mut self, now: Instant, bytes: &[u8]) -> usize;
    mut fn receive_eof(&mut self, now: Instant);
    mut fn lost(&mut self, now: Instant);
    mut fn shutdown(&mut self, now: Instant, grace: Duration);
    mut fn dismiss(&mut self, now: Instant);
    mut fn transmitted(&mut self, now: Instant, count: usize);
    mut fn tick(&mut self, now: Instant);
    #[must_use = "a ticket that is dropped is never answered"]
    mut fn poll(&mut self) -> Option<Action>;
    mut fn handle(&mut self, now: Instant, event: Event) -> Result<(), Foreign>;
    mut fn progress(&mut self, now: Instant, total: u64);
    mut fn queued(&mut self, now: Instant);
    #[must_use = "bytes that were not taken must be given again"]
    mut fn report(&mut self, now: Instant, lines: &[u8]) -> usize;
    mut fn note(&mut self) -> Option<Note>;
}
