//! [`Finding`]: what is wrong with a bucket, and what in its configuration may be the cause.

use std::fmt;
use std::time::SystemTime;

use wharf_core::{Failure, Rights};
use wharf_storage::Wanted;

use crate::bucket::Bucket;
use crate::client::{Client, Refused};
use crate::key::RECORDS;
use crate::provider::Condition;
use crate::transport::Lost;
use crate::wire::{Attributes, Guarded, Problem, Request, from_head};

/// What in a configuration may be the cause of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The address of the store.
    Endpoint,
    /// Whom to trust.
    Ca,
    /// The region.
    Region,
    /// How the bucket is addressed.
    Style,
    /// The name of the bucket.
    Bucket,
    /// The name of the key, or where credentials come from.
    Key,
    /// The secret of the key.
    Secret,
    /// What the key may do, or the account.
    Rights,
    /// What objects are given: class, access, encryption, tags.
    Attributes,
    /// The clock of this machine.
    Clock,
    /// The store itself.
    Store,
}

/// Something that is wrong with a bucket, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What may be the cause.
    pub cause: Cause,
    /// What is to be said of it.
    pub text: String,
    /// Nobody can be served.
    pub is_fatal: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A clock that is wrong by more is refused by most stores.
const SKEW: u64 = 15 * 60;

impl Bucket {
    /// Goes to the store and looks whether an account with these rights can be served. It blocks. Where the
    /// account may write, one object is put below `.wharf/` and removed again; nothing else is changed.
    #[must_use]
    pub fn examine(&self, rights: Rights) -> Vec<Finding> {
        let mut findings = Vec::new();
        let client = self.tree().store.client.impatient();
        match self.look_at_names(&client) {
            Ok(skew) => findings.extend(skew.map(told_skew)),
            Err(refused) => {
                findings.push(explain(&refused, "list"));
                return findings;
            }
        }
        if rights.contains(Rights::WRITE) || rights.contains(Rights::MKDIR) {
            self.look_at_writing(&client, rights, &mut findings);
        }
        findings
    }

    /// Asks for a name; returns by how many seconds the clocks differ, if that is too much.
    fn look_at_names(&self, client: &Client) -> Result<Option<i64>, Refused> {
        let tree = self.tree();
        let start = tree.start(None);
        let request = Request::list(&tree.prefix, false, start, 1);
        let answer = client.ask(&request, &Wanted::default())?;
        crate::wire::Page::parse(&answer.body, start)?;
        let told = answer.headers.get("date").and_then(from_head);
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (Some(told), Ok(here)) = (told, here) else {
            return Ok(None);
        };
        let here = i64::try_from(here.as_secs()).unwrap_or(i64::MAX);
        let skew = here.saturating_sub(told.seconds);
        // Long before it is refused it is worth a word.
        Ok((skew.unsigned_abs() > SKEW / 3).then_some(skew))
    }

    /// Puts an object and removes it again.
    fn look_at_writing(&self, client: &Client, rights: Rights, findings: &mut Vec<Finding>) {
        let tree = self.tree();
        let (options, wanted) = (&tree.store.options, Wanted::default());
        let probe = format!("{}{RECORDS}/probe-{:016x}", tree.prefix, client.number());
        let put = |attributes: &Attributes, guarded| {
            let put = Request::put(&probe, b"probe", attributes, options.checksum, guarded);
            client.ask(&put, &wanted)
        };
        if let Err(refused) = put(&options.attributes, Guarded::No) {
            findings.push(explain(&refused, "write"));
            return;
        }
        let condition = options.provider.condition();
        let may_not_overwrite = !rights.contains(Rights::OVERWRITE);
        let is_kept = match condition {
            Condition::None => false,
            _ => match put(&options.attributes, Guarded::Absent(condition)) {
                Ok(_) => false,
                Err(refused) => refused.failure() == Failure::Exists,
            },
        };
        if !is_kept && may_not_overwrite {
            findings.push(Finding {
                cause: Cause::Store,
                text: "this store does not refuse to overwrite by itself: of two clients that make a new file \
                       of one name within one round trip to the store, both may be told that they did"
                    .into(),
                is_fatal: false,
            });
        }
        if let Err(refused) = client.ask(&Request::delete(&probe), &wanted) {
            findings.push(explain(&refused, "delete"));
        }
        look_at_lifecycle(client, findings);
    }
}

/// Returns what a refusal says about the configuration.
fn explain(refused: &Refused, right: &str) -> Finding {
    let (cause, text) = match refused {
        Refused::Lost(lost) => of_lost(lost),
        Refused::Malformed => (
            Cause::Endpoint,
            "what answers there is no store that speaks S3".to_owned(),
        ),
        Refused::Problem { problem, .. } => of_problem(problem, right),
    };
    Finding {
        cause,
        text,
        is_fatal: true,
    }
}

/// Looks whether the bucket gives up uploads that nobody completes.
fn look_at_lifecycle(client: &Client, findings: &mut Vec<Finding>) {
    let asked = client.ask(&Request::lifecycle(), &Wanted::default());
    let has_rule = asked.is_ok_and(|answer| {
        let rule = b"AbortIncompleteMultipartUpload";
        answer.body.windows(rule.len()).any(|part| part == rule)
    });
    if !has_rule {
        findings.push(Finding {
            cause: Cause::Bucket,
            text: "the bucket has no lifecycle rule AbortIncompleteMultipartUpload: what is left of uploads when no \
                   server runs any more stays, and is paid for"
                .into(),
            is_fatal: false,
        });
    }
}

fn told_skew(skew: i64) -> Finding {
    let (by, way) = (skew.unsigned_abs(), if skew > 0 { "fast" } else { "slow" });
    Finding {
        cause: Cause::Clock,
        text: format!(
            "the clock of this machine is {by} s {way} by that of the store, which refuses more than {SKEW} s"
        ),
        is_fatal: false,
    }
}

fn of_lost(lost: &Lost) -> (Cause, String) {
    let text = lost.to_string();
    let cause = match lost {
        Lost::Unsigned(_) => Cause::Key,
        _ if text.contains("certificate") => Cause::Ca,
        _ => Cause::Endpoint,
    };
    (cause, text)
}

fn of_problem(problem: &Problem, right: &str) -> (Cause, String) {
    let Problem {
        status,
        code,
        message,
        region,
    } = problem;
    let told = match (code.is_empty(), message.is_empty()) {
        (true, _) => format!("the store answers {status}"),
        (false, true) => format!("the store answers {status} {code}"),
        (false, false) => format!("the store answers {status} {code}: {message}"),
    };
    let cause = match (code.as_str(), status) {
        ("InvalidAccessKeyId" | "InvalidToken" | "ExpiredToken", _) => Cause::Key,
        ("SignatureDoesNotMatch", _) => Cause::Secret,
        // So says Garage.
        ("AccessDenied", _) if message.contains("Invalid signature") => Cause::Secret,
        ("RequestTimeTooSkewed", _) => Cause::Clock,
        ("NoSuchBucket" | "InvalidBucketName", _) => Cause::Bucket,
        (
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
            _,
        ) => Cause::Region,
        ("InvalidStorageClass" | "InvalidEncryptionAlgorithmError" | "InvalidTag", _) => {
            Cause::Attributes
        }
        ("AccessDenied" | "AllAccessDisabled", _) | (_, 403) => Cause::Rights,
        (_, 301 | 307) => Cause::Region,
        (_, 404 | 405) => Cause::Style,
        (_, 400 | 501) if right == "write" => Cause::Attributes,
        _ => Cause::Store,
    };
    let told = match (cause, region) {
        (Cause::Region, Some(region)) => format!("{told} (region = \"{region}\" may be right)"),
        (Cause::Rights, _) => format!("{told} (the key may not {right} here)"),
        _ => told,
    };
    (cause, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s28_a_signature_is_wrong_also_where_the_message_alone_says_so() {
        let problem = |message: &str| Problem {
            status: 403,
            code: "AccessDenied".into(),
            message: message.into(),
            region: None,
        };
        let wrong = of_problem(&problem("Forbidden: Invalid signature"), "list");
        assert_eq!(wrong.0, Cause::Secret);
        let denied = of_problem(&problem("Forbidden: Operation is not allowed"), "list");
        assert_eq!(denied.0, Cause::Rights);
    }
}
