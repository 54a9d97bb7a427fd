//! What a safe server does: eighty-six checks, by number.
//!
//! Each is made of both binaries, like every other case, and of other servers by
//! `tests/checks`, which prints what came of it. So a check knows its server as a
//! [`Target`] only, and accepts every answer that is safe.

mod abort;
mod accounts;
mod backpressure;
mod between;
mod data;
mod files;
mod line;
mod names;
mod numbers;
mod order;
mod ours;
pub mod peers;
mod target;
mod tls;
mod tls_data;
mod transfers;

pub use self::ours::Ours;
pub use self::target::{Guard, Host, NotApplicable, Setup, Stand, Target, lacks};
use crate::Case;

/// One of the checks, in clear or over TLS.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    case: Case,
    prove: fn(&dyn Host),
}

/// Makes checks of functions, whose names begin with the number. `both`: also over TLS.
macro_rules! checks {
    ($($name:ident $($both:ident)? $(($($needs:literal),+))?),+ $(,)?) => {
        pub(super) fn checks() -> Vec<$crate::checks::Check> {
            let mut checks = Vec::new();
            $(
                let needs: &'static [&'static str] = &[$($($needs),+)?];
                checks.push($crate::checks::checks!(@one $name, "", false, needs));
                $(
                    let $both = $crate::checks::checks!(@one $name, "_over_tls", true, needs);
                    checks.push($both);
                )?
            )+
            checks
        }
    };
    (@one $name:ident, $suffix:literal, $guarded:literal, $needs:ident) => {
        $crate::checks::Check {
            name: concat!(stringify!($name), $suffix),
            case: $crate::Case {
                name: concat!("checks::", stringify!($name), $suffix),
                needs: $needs,
                prove: |program| {
                    let host = $crate::checks::Ours(*program);
                    $name(&$crate::checks::Stand::new(&host, $guarded));
                },
            },
            prove: |host| $name(&$crate::checks::Stand::new(host, $guarded)),
        }
    };
}
pub(crate) use checks;

impl Check {
    /// Its number, as `P7`.
    #[must_use]
    pub fn number(&self) -> String {
        let digits = self.name[1..].split('_').next().unwrap_or_default();
        format!("P{}", digits.trim_start_matches('0'))
    }

    /// What a safe server does.
    #[must_use]
    pub fn title(&self) -> String {
        let words = self.name.split_once('_').map_or("", |(_, words)| words);
        words.replace('_', " ")
    }

    /// Makes it of a server: panics if that is not safe, or with [`NotApplicable`].
    pub fn prove(&self, host: &dyn Host) {
        (self.prove)(host);
    }
}

/// All of them, by number.
#[must_use]
pub fn all() -> Vec<Check> {
    let mut checks = [
        line::checks(),
        backpressure::checks(),
        numbers::checks(),
        order::checks(),
        abort::checks(),
        data::checks(),
        transfers::checks(),
        tls::checks(),
        tls_data::checks(),
        files::checks(),
        names::checks(),
        accounts::checks(),
        between::checks(),
    ]
    .concat();
    checks.sort_by_key(|check| check.name);
    checks
}

pub(crate) fn cases() -> Vec<Case> {
    all().iter().map(|check| check.case).collect()
}
