//! [`Shield`]: what of a client's connections is under TLS, as the replies have told it, and what its
//! server has promised of that.

use wharf_core::{Protection, TlsPolicy};

use crate::case::{Case, Sabotage};
use crate::random::Random;

/// What the server of a run says that it protects.
pub(crate) fn draw_policy(case: &Case) -> TlsPolicy {
    if case.clear {
        return TlsPolicy::default();
    }
    let protections = [
        Protection::Off,
        Protection::Offered,
        Protection::Offered,
        Protection::Required,
    ];
    let root = Random::new(case.seed);
    let mut random = root.fork("tls", 0);
    let control = random.pick(&protections);
    TlsPolicy {
        control,
        data: random.pick(&protections),
        ccc: random.below(2) == 0,
        implicit: control != Protection::Off && root.fork("implicit", 0).below(4) == 0,
    }
}

/// Whether accounts demand more than the policy does.
pub(crate) fn draw_demand(case: &Case, policy: TlsPolicy) -> bool {
    let possible = policy.control.min(policy.data) != Protection::Off;
    possible && Random::new(case.seed).fork("demand", 0).below(4) == 0
}

/// What they then demand.
pub(crate) fn with_demand(policy: TlsPolicy, demands: bool) -> TlsPolicy {
    match demands {
        true => TlsPolicy {
            control: Protection::Required,
            data: Protection::Required,
            ..policy
        },
        false => policy,
    }
}

/// What it protects: the same, unless it lies.
pub(crate) fn kept(case: &Case, told: TlsPolicy) -> TlsPolicy {
    let control = match case.sabotage {
        Some(Sabotage::TakesClearLogins) => told.control.min(Protection::Offered),
        _ => told.control,
    };
    TlsPolicy { control, ..told }
}

/// The control connection becomes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Tls,
    Clear,
}

/// What is under TLS, as a client knows.
#[derive(Debug)]
pub(crate) struct Shield {
    policy: TlsPolicy,
    control: bool,
    /// Data connections.
    pub(crate) data: bool,
    /// What the control connection becomes now.
    pub(crate) turn: Option<Turn>,
}

impl Shield {
    /// As a session begins.
    pub(crate) fn new(policy: TlsPolicy) -> Self {
        Self {
            policy,
            control: policy.implicit,
            data: policy.implicit && policy.data != Protection::Off,
            turn: None,
        }
    }

    /// Whether CCC leads back to clear text.
    pub(crate) fn may_leave(&self) -> bool {
        self.control && self.policy.ccc && !self.policy.implicit
    }

    /// What the reply to that command says of it. O11: nobody logs in in clear where TLS is required.
    pub(crate) fn hear(&mut self, line: &str, code: u16) {
        let was = self.control;
        match (line, code) {
            (_, 230) => assert!(
                was || self.policy.control != Protection::Required,
                "O11: a login in clear"
            ),
            (_, 234) => (self.control, self.data, self.turn) = (true, false, Some(Turn::Tls)),
            ("CCC", 200) => (self.control, self.turn) = (false, Some(Turn::Clear)),
            ("REIN", 220) => {
                *self = Self::new(self.policy);
                self.turn = (was && !self.control).then_some(Turn::Clear);
            }
            ("PROT P", 200) => self.data = true,
            ("PROT C", 200) => self.data = false,
            _ => {}
        }
    }

    /// A transfer begins. O11: none runs in clear where TLS is required.
    pub(crate) fn begin_transfer(&self) {
        assert!(
            self.data || self.policy.data != Protection::Required,
            "O11: a transfer in clear"
        );
    }
}
