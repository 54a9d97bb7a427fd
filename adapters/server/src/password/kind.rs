//! [`Kind`]: the hashes that are understood, and what a check of them may cost.

use std::fmt;
use std::io;

use argon2::password_hash::{Error, Result as Verified};
use argon2::{
    ARGON2ID_IDENT, Argon2, MIN_SALT_LEN, Params, PasswordHash, PasswordHasher, PasswordVerifier,
};
use bcrypt::HashParts;
use mcf::{Base64, PasswordHashRef};
use sha_crypt::ShaCrypt;
use yescrypt::Yescrypt;

use super::Refused;

/// The most KiB of memory that argon2id may take. Two passwords are checked at once.
const ARGON2_MEMORY: u32 = 1 << 20;

/// The most KiB that argon2id may go through, in all its passes: some seconds.
const ARGON2_WORK: u64 = 4 << 20;

/// The most rounds of SHA-crypt: about a second, and some for the longest password.
const ROUNDS: u32 = 500_000;

/// The highest cost of bcrypt: about two seconds.
const BCRYPT_COST: u32 = 14;

/// The most bytes of memory that yescrypt may take: about two seconds.
const YESCRYPT_MEMORY: u64 = 256 << 20;

/// A hash of one kind or another, known to be whole and not too dear.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2id(Box<PasswordHash>),
    ShaCrypt(Box<str>),
    Bcrypt(Box<str>),
    Yescrypt(Box<str>),
}

impl Kind {
    /// Hashes a password by argon2id.
    pub(super) fn new(password: &[u8]) -> Result<Self, io::Error> {
        let hash = Argon2::default().hash_password(password);
        hash.map(|hash| Self::Argon2id(Box::new(hash)))
            .map_err(|error| io::Error::other(error.to_string()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let scheme = text
            .strip_prefix('$')
            .and_then(|rest| rest.split('$').next());
        match scheme {
            Some("5") => sha_crypt(text, 32),
            Some("6") => sha_crypt(text, 64),
            Some("2a" | "2b" | "2y") => bcrypt(text),
            Some("y") => yescrypt(text),
            _ => argon2id(text),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, io::Error> {
        match self {
            Self::Argon2id(hash) => answer(Argon2::default().verify_password(password, &**hash)),
            Self::ShaCrypt(text) => answer(ShaCrypt::default().verify_password(password, &**text)),
            Self::Yescrypt(text) => answer(Yescrypt::default().verify_password(password, &**text)),
            Self::Bcrypt(text) => {
                let right = bcrypt::verify(password, text);
                right.map_err(|error| io::Error::other(error.to_string()))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2id(hash) => hash.fmt(f),
            Self::ShaCrypt(text) | Self::Bcrypt(text) | Self::Yescrypt(text) => f.write_str(text),
        }
    }
}

fn answer(verified: Verified<()>) -> Result<bool, io::Error> {
    match verified {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

fn argon2id(text: &str) -> Result<Kind, Refused> {
    let hash = PasswordHash::new(text).map_err(|_| Refused::NotAHash)?;
    let salted = hash
        .salt
        .as_ref()
        .is_some_and(|salt| salt.len() >= MIN_SALT_LEN);
    let params = Params::try_from(&hash).map_err(|_| Refused::NotAHash)?;
    let sound = hash.algorithm == ARGON2ID_IDENT
        && hash.version.is_none_or(|version| version == 19)
        && hash.hash.is_some()
        && salted;
    if !sound {
        return Err(Refused::NotAHash);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MEMORY || work > ARGON2_WORK {
        return Err(Refused::TooDear(
            "an m of at most 1048576, and m times t of at most 4194304",
        ));
    }
    Ok(Kind::Argon2id(Box::new(hash)))
}

/// `$6$rounds=5000$SALT$HASH`, of which the rounds may be missing.
fn sha_crypt(text: &str, length: usize) -> Result<Kind, Refused> {
    let mut fields: Vec<&str> = text.split('$').skip(2).collect();
    if let Some(rounds) = fields
        .first()
        .and_then(|first| first.strip_prefix("rounds="))
    {
        let rounds: u32 = rounds.parse().map_err(|_| Refused::NotAHash)?;
        if rounds > ROUNDS {
            return Err(Refused::TooDear("at most 500000 rounds"));
        }
        sha_crypt::Params::new(rounds).map_err(|_| Refused::NotAHash)?;
        fields.remove(0);
    }
    // More of a salt counts nowhere, and is in no hash.
    let [salt, _] = fields[..] else {
        return Err(Refused::NotAHash);
    };
    let salted = (1..=16).contains(&salt.len());
    if salted && last_field(text).is_some_and(|hash| hash.len() == length) {
        Ok(Kind::ShaCrypt(text.into()))
    } else {
        Err(Refused::NotAHash)
    }
}

fn bcrypt(text: &str) -> Result<Kind, Refused> {
    let parts: HashParts = text.parse().map_err(|_| Refused::NotAHash)?;
    match parts.get_cost() {
        4..=BCRYPT_COST => Ok(Kind::Bcrypt(text.into())),
        0..4 => Err(Refused::NotAHash),
        _ => Err(Refused::TooDear("a cost of at most 14")),
    }
}

/// `$y$j9T$SALT$HASH`
fn yescrypt(text: &str) -> Result<Kind, Refused> {
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let [params, salt, _] = fields[..] else {
        return Err(Refused::NotAHash);
    };
    // Further parameters are such as no system writes.
    let understood = params.len() == 3 && params.starts_with('j');
    let params: Option<yescrypt::Params> = params.parse().ok().filter(|_| understood);
    let params = params.ok_or(Refused::NotAHash)?;
    if params.n().saturating_mul(u64::from(params.r())) > YESCRYPT_MEMORY / 128 {
        return Err(Refused::TooDear(
            "yescrypt with at most 256 MiB of memory, such as $y$jDT$",
        ));
    }
    let salted = !salt.is_empty() && Base64::Crypt.decode_vec(salt).is_ok();
    if salted && last_field(text).is_some_and(|hash| hash.len() == 32) {
        Ok(Kind::Yescrypt(text.into()))
    } else {
        Err(Refused::NotAHash)
    }
}

/// Returns the bytes that stand behind the last dollar sign, if the whole could be one of the hashes of crypt(3).
fn last_field(text: &str) -> Option<Vec<u8>> {
    let hash = PasswordHashRef::new(text).ok()?;
    hash.fields().last()?.decode_base64(Base64::Crypt).ok()
}
