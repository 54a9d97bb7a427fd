//! [`Credentials`]: where the keys come from that requests are signed with.

use std::fmt;

use zeroize::Zeroizing;

/// Text that nobody must see. It is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A key that a store has given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, which is no secret.
    pub id: String,
    /// What proves that it is ours.
    pub secret: Secret,
    /// The token of the session that it belongs to, if it is for a while only.
    pub token: Option<Secret>,
}

/// Where the keys come from that requests are signed with: exactly there, and nowhere else. Only
/// [`Credentials::Chain`] and [`Credentials::Imds`] ever ask the metadata service of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// This key.
    Static(Key),
    /// The first of the others that has one, in the order [`Credentials::Environment`], the profile that
    /// `AWS_PROFILE` names, [`Credentials::WebIdentity`], [`Credentials::Container`], [`Credentials::Imds`].
    Chain,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
    /// That profile in `~/.aws/credentials` or `~/.aws/config`, or in the files that
    /// `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name.
    Profile(String),
    /// The role `AWS_ROLE_ARN`, for the token in the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names, as in
    /// Kubernetes. The file is read anew each time.
    WebIdentity,
    /// The agent beside a container, which `AWS_CONTAINER_CREDENTIALS_FULL_URI` or
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` names.
    Container,
    /// The metadata service of the machine, by its second version.
    Imds,
}

impl Credentials {
    /// Understands the words of a configuration: `static`, for which there must be a key, and without
    /// one `chain`, `environment`, `profile:NAME`, `web-identity`, `container` and `imds`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(words: &str, key: Option<Key>) -> Result<Self, String> {
        let parsed = match (words, key) {
            ("static", Some(key)) => return Ok(Self::Static(key)),
            ("static", None) => return Err("\"static\" needs a key and its secret".into()),
            (_, Some(_)) => {
                return Err(format!("a key is given, but \"{words}\" is not \"static\""));
            }
            ("chain", None) => Self::Chain,
            ("environment", None) => Self::Environment,
            ("web-identity", None) => Self::WebIdentity,
            ("container", None) => Self::Container,
            ("imds", None) => Self::Imds,
            (words, None) => match words.strip_prefix("profile:") {
                Some(name) if !name.is_empty() => Self::Profile(name.into()),
                _ => {
                    return Err(format!(
                        "\"{words}\" is none of \"static\", \"chain\", \"environment\", \"profile:NAME\", \
                         \"web-identity\", \"container\", \"imds\""
                    ));
                }
            },
        };
        Ok(parsed)
    }
}

/// A role to be taken on with the keys that are found, before anything is asked of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name: `arn:aws:iam::123456789012:role/uploads`.
    pub arn: String,
    /// What its owner has agreed upon with us.
    pub external_id: Option<String>,
    /// How the session is called in the records of its owner; `wharf` if it is not said.
    pub session: Option<String>,
    /// The URL of the token service; that of the region if it is not said, which only Amazon has.
    pub endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            id: "AKIA".into(),
            secret: "very secret".into(),
            token: Some("a token".into()),
        }
    }

    #[test]
    fn every_word_is_one_source() {
        for (words, source) in [
            ("chain", Credentials::Chain),
            ("environment", Credentials::Environment),
            ("profile:a:b", Credentials::Profile("a:b".into())),
            ("web-identity", Credentials::WebIdentity),
            ("container", Credentials::Container),
            ("imds", Credentials::Imds),
        ] {
            assert_eq!(Credentials::parse(words, None), Ok(source), "{words}");
            assert!(Credentials::parse(words, Some(key())).is_err(), "{words}");
        }
        let source = Credentials::parse("static", Some(key()));
        assert_eq!(source, Ok(Credentials::Static(key())));
        for wrong in ["static", "", "profile:", "profile", "Chain", "imds "] {
            assert!(Credentials::parse(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_sees_a_secret() {
        let said = format!("{:?}", Credentials::Static(key()));
        assert!(said.contains("AKIA"), "{said}");
        assert!(
            !said.contains("very secret") && !said.contains("a token"),
            "{said}"
        );
    }
}
