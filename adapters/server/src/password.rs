//! [`HashedPassword`]: a password that cannot be read back.

use std::fmt;
use std::io::{self, Read, Write as _};

use argon2::password_hash::Error;
use argon2::{
    ARGON2ID_IDENT, Argon2, MIN_SALT_LEN, Params, PasswordHash, PasswordHasher, PasswordVerifier,
};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use zeroize::Zeroizing;

/// The longest password that is read.
const LONGEST: usize = 1_024;

/// An argon2id string, `$argon2id$v=19$m=19456,t=2,p=1$...`.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(PasswordHash);

impl HashedPassword {
    /// Hashes a password with a fresh salt and the recommended parameters.
    ///
    /// # Errors
    /// The system has no random numbers or no memory left.
    pub fn new(password: &[u8]) -> Result<Self, io::Error> {
        Argon2::default()
            .hash_password(password)
            .map(Self)
            .map_err(|error| io::Error::other(error.to_string()))
    }

    /// Reads an argon2id string.
    ///
    /// # Errors
    /// [`NotAHash`]: it is something else, perhaps a password.
    pub fn parse(text: &str) -> Result<Self, NotAHash> {
        let hash = PasswordHash::new(text).map_err(|_| NotAHash)?;
        let salted = hash
            .salt
            .as_ref()
            .is_some_and(|salt| salt.len() >= MIN_SALT_LEN);
        let sound = hash.algorithm == ARGON2ID_IDENT
            && hash.version.is_none_or(|version| version == 19)
            && Params::try_from(&hash).is_ok()
            && hash.hash.is_some()
            && salted;
        if sound { Ok(Self(hash)) } else { Err(NotAHash) }
    }

    /// The argon2id string.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    /// Whether this is the hash of that password. It takes tens of milliseconds and as much memory
    /// as the hash says, whatever the answer is.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn verify(&self, password: &[u8]) -> Result<bool, io::Error> {
        match Argon2::default().verify_password(password, &self.0) {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
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

/// The text is not an argon2id string. It is not repeated, since it may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHash;

impl fmt::Display for NotAHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an argon2id string, such as --hash-password makes of a password on its \
             standard input; passwords in clear text are refused",
        )
    }
}

impl std::error::Error for NotAHash {}

impl<'de> Deserialize<'de> for HashedPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HashVisitor)
    }
}

struct HashVisitor;

impl Visitor<'_> for HashVisitor {
    type Value = HashedPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an argon2id string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HashedPassword, E> {
        HashedPassword::parse(text).map_err(E::custom)
    }

    // Digits without quotes are a password in clear text too, which must not be repeated.
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<HashedPassword, E> {
        Err(E::custom(NotAHash))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<HashedPassword, E> {
        Err(E::custom(NotAHash))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<HashedPassword, E> {
        Err(E::custom(NotAHash))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<HashedPassword, E> {
        Err(E::custom(NotAHash))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<HashedPassword, E> {
        Err(E::custom(NotAHash))
    }
}

/// Reads a password from the standard input. On a terminal it is asked for twice, since nobody sees
/// what is typed.
///
/// # Errors
/// As [`read`], or it was not the same both times.
pub(crate) fn ask() -> Result<Zeroizing<Vec<u8>>, io::Error> {
    let mut input = hidden();
    if input.shown.is_none() {
        return read(input);
    }
    let _ = write!(io::stderr(), "password: ");
    let password = read(&mut input)?;
    let _ = write!(io::stderr(), "once more: ");
    match *read(&mut input)? == *password {
        true => Ok(password),
        false => Err(io::Error::other("expected the same password twice")),
    }
}

/// The standard input. What is typed on a terminal is not shown until this is dropped.
fn hidden() -> Hidden {
    let stdin = io::stdin();
    let mut shown = None;
    if let Ok(terminal) = tcgetattr(&stdin) {
        let mut silent = terminal.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        if tcsetattr(&stdin, OptionalActions::Flush, &silent).is_ok() {
            shown = Some(terminal);
        }
    }
    Hidden { stdin, shown }
}

/// The standard input, on a terminal that does not show what is typed.
struct Hidden {
    stdin: io::Stdin,
    /// How the terminal was before.
    shown: Option<Termios>,
}

impl Read for Hidden {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdin.read(buffer)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(terminal) = self.shown.take() {
            let _ = tcsetattr(&self.stdin, OptionalActions::Flush, &terminal);
        }
    }
}

/// Reads a password: all up to the end of the line, or of the input. What is returned is wiped when
/// it is dropped.
///
/// # Errors
/// The input cannot be read, or the password is empty or longer than 1,024 bytes.
pub fn read(mut input: impl Read) -> Result<Zeroizing<Vec<u8>>, io::Error> {
    // Room for all of it and its end, so that no half-read copy is left behind by growing.
    let mut buffer = Zeroizing::new(vec![0; LONGEST + 2]);
    let mut length = 0;
    let end = loop {
        if let Some(end) = buffer[..length].iter().position(|&byte| byte == b'\n') {
            break end;
        }
        match input.read(&mut buffer[length..]) {
            Ok(0) => break length,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    buffer.truncate(end);
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
    if (1..=LONGEST).contains(&buffer.len()) {
        Ok(buffer)
    } else {
        Err(io::Error::other(format!(
            "expected a password of 1 to {LONGEST} bytes on the standard input"
        )))
    }
}
