//! [`HashedPassword`]: a password that cannot be read back.

mod ask;
mod kind;

use std::fmt;
use std::io;

use serde::de::{self, Deserialize, Deserializer, Visitor};

pub(crate) use ask::ask;
pub use ask::read;
use kind::Kind;

/// The longest password that is read, or counts.
const LONGEST: usize = 1_024;

/// The hash of a password: an argon2id string, `$argon2id$v=19$m=19456,t=2,p=1$...`, or one that crypt(3) makes:
/// yescrypt, SHA-crypt or bcrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(Kind);

impl HashedPassword {
    /// Hashes a password by argon2id with a fresh salt and the recommended parameters.
    ///
    /// # Errors
    /// The system has no random numbers or no memory left.
    pub fn new(password: &[u8]) -> Result<Self, io::Error> {
        Kind::new(password).map(Self)
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// [`Refused`]: it is something else, perhaps a password, or would cost too much to check.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        Kind::parse(text).map(Self)
    }

    /// Returns what stands before salt and hash, which tells what a check costs.
    pub(crate) fn price(&self) -> String {
        let text = self.to_string();
        let fields = if matches!(self.0, Kind::Bcrypt(_)) {
            1
        } else {
            2
        };
        let price = text.rsplitn(fields + 1, '$').nth(fields);
        price.unwrap_or_default().to_owned()
    }

    /// Whether this is the hash of that password. It takes as long and as much memory as the hash says, whatever
    /// the answer is. Of a password, 1,024 bytes are hashed; a longer one is wrong.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn verify(&self, password: &[u8]) -> Result<bool, io::Error> {
        let most = password.get(..LONGEST).unwrap_or(password);
        Ok(self.0.verify(most)? && password.len() <= LONGEST)
    }
}

impl fmt::Display for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HashedPassword {
    /// Nothing of the hash, which could be guessed from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(..)")
    }
}

/// Why a text does not count as a hash. It is not repeated, since it may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none.
    NotAHash,
    /// Each login would take too long or too much memory; what is bounded, and by what.
    TooDear(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHash => f.write_str(
                "expected an argon2id string, such as --hash-password makes of a password on its \
                 standard input, or a hash that begins with $y$, $6$, $5$ or $2b$; passwords in \
                 clear text are refused",
            ),
            Self::TooDear(bound) => write!(
                f,
                "each login would take too long or too much memory, expected {bound}"
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl<'de> Deserialize<'de> for HashedPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HashVisitor)
    }
}

struct HashVisitor;

impl Visitor<'_> for HashVisitor {
    type Value = HashedPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hash of a password in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HashedPassword, E> {
        HashedPassword::parse(text).map_err(E::custom)
    }

    // Digits without quotes are a password in clear text too, which must not be repeated.
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<HashedPassword, E> {
        Err(E::custom(Refused::NotAHash))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<HashedPassword, E> {
        Err(E::custom(Refused::NotAHash))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<HashedPassword, E> {
        Err(E::custom(Refused::NotAHash))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<HashedPassword, E> {
        Err(E::custom(Refused::NotAHash))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<HashedPassword, E> {
        Err(E::custom(Refused::NotAHash))
    }
}
