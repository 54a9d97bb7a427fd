//! [`Source`]: where keys are looked for, and what is read and asked for that.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;

use bytes::Bytes;
use reqsign_aws_v4::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    EnvCredentialProvider, IMDSv2CredentialProvider, ProfileCredentialProvider,
    StaticCredentialProvider,
};
use reqsign_core::{Context, Env, Error, FileRead, HttpSend, ProvideCredentialDyn};
use ureq::Agent;

use super::connection::call;
use super::endpoint::address;
use super::role::Office;
use super::trouble::{told, told_of_keys};
use super::{Credentials, Secret};

/// What answers with keys are not longer than.
const LONGEST: u64 = 1 << 20;

type Slot = (
    Box<dyn ProvideCredentialDyn<Credential = Credential>>,
    String,
);

/// Where keys are looked for.
pub(super) struct Source {
    /// One after the other, each with what is said if there are none.
    slots: Vec<Slot>,
    /// Where they are exchanged for those of a role.
    office: Option<Office>,
}

impl Source {
    pub(super) fn new(credentials: &Credentials, region: &str, office: Option<Office>) -> Self {
        let slots: Vec<Slot> = match credentials {
            Credentials::Chain => vec![
                environment(),
                profile(
                    ProfileCredentialProvider::new(),
                    "of AWS_PROFILE, or \"default\",",
                ),
                web_identity(region),
                container(),
                imds(),
            ],
            Credentials::Static(key) => {
                let mut provider = StaticCredentialProvider::new(&key.id, key.secret.reveal());
                if let Some(token) = &key.token {
                    provider = provider.with_session_token(token.reveal());
                }
                vec![(Box::new(provider), String::new())]
            }
            Credentials::Environment => vec![environment()],
            Credentials::Profile(name) => vec![profile(
                ProfileCredentialProvider::new().with_profile(name),
                &format!("\"{name}\""),
            )],
            Credentials::WebIdentity => vec![web_identity(region)],
            Credentials::Container => vec![container()],
            Credentials::Imds => vec![imds()],
        };
        Self { slots, office }
    }

    /// Finds keys.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn find(&self, context: &Context) -> Result<Credential, String> {
        let mut reasons = Vec::new();
        for (slot, missing) in &self.slots {
            match slot.provide_credential_dyn(context).await {
                Ok(Some(credential)) => {
                    return match &self.office {
                        Some(office) => office.exchange(context, &credential).await,
                        None => Ok(credential),
                    };
                }
                Ok(None) => reasons.push(missing.clone()),
                Err(error) => reasons.push(told_of_keys(&error)),
            }
        }
        Err(reasons.join("; "))
    }
}

fn environment() -> Slot {
    let missing = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set";
    (Box::new(EnvCredentialProvider::new()), missing.into())
}

fn profile(provider: ProfileCredentialProvider, name: &str) -> Slot {
    let missing = format!("the profile {name} has no key, or its file cannot be read");
    (Box::new(provider), missing)
}

fn web_identity(region: &str) -> Slot {
    let provider = AssumeRoleWithWebIdentityCredentialProvider::new()
        .with_region(region.to_owned())
        .with_regional_sts_endpoint();
    let missing = "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE are not set";
    (Box::new(provider), missing.into())
}

fn container() -> Slot {
    let missing = "neither AWS_CONTAINER_CREDENTIALS_FULL_URI nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set";
    (Box::new(ECSCredentialProvider::new()), missing.into())
}

fn imds() -> Slot {
    let missing = "AWS_EC2_METADATA_DISABLED is set";
    (Box::new(IMDSv2CredentialProvider::new()), missing.into())
}

/// Returns what keys are read from and asked of. Services beside the machine are reached by `near`, all
/// others by `far`. No command is run.
pub(super) fn context(
    environment: Option<&BTreeMap<String, Secret>>,
    near: Agent,
    far: Agent,
) -> Context {
    Context::new()
        .with_env(Variables(environment.cloned()))
        .with_file_read(Files)
        .with_http_send(Services { near, far })
}

/// The variables of the process, or others.
#[derive(Debug)]
struct Variables(Option<BTreeMap<String, Secret>>);

impl Env for Variables {
    fn var(&self, key: &str) -> Option<String> {
        match &self.0 {
            Some(given) => given.get(key).map(|value| value.reveal().to_owned()),
            None => std::env::var(key).ok(),
        }
    }

    fn vars(&self) -> HashMap<String, String> {
        match &self.0 {
            Some(given) => given
                .iter()
                .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
                .collect(),
            // Those that are no text are none of these.
            None => std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        }
    }

    fn home_dir(&self) -> Option<PathBuf> {
        self.var("HOME").map(PathBuf::from)
    }
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| Error::config_invalid(format!("{path}: {error}")))
    }
}

/// Services that give out keys.
#[derive(Debug)]
struct Services {
    near: Agent,
    far: Agent,
}

impl HttpSend for Services {
    async fn http_send(
        &self,
        request: http::Request<Bytes>,
    ) -> reqsign_core::Result<http::Response<Bytes>> {
        let host = request.uri().host().unwrap_or_default();
        let agent = if is_near(host) { &self.near } else { &self.far };
        let failed = |why: String| Error::unexpected(format!("{host}: {why}"));
        let (parts, body) = request.clone().into_parts();
        let sent = call(None, || match parts.method {
            http::Method::POST | http::Method::PUT => {
                agent.run(http::Request::from_parts(parts, &body[..]))
            }
            _ => agent.run(http::Request::from_parts(parts, ())),
        });
        let mut response = sent.0.map_err(|error| failed(told(&error)))?;
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_vec();
        let body = body.map_err(|error| failed(told(&error)))?;
        Ok(http::Response::from_parts(
            response.into_parts().0,
            body.into(),
        ))
    }
}

/// Returns whether a host is the machine itself or a service beside it, to which no proxy leads.
fn is_near(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        // That of the metadata service has this prefix.
        Some(IpAddr::V6(address)) => {
            address.is_loopback() || address.segments()[..2] == [0xfd00, 0xec2]
        }
        None => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beside_the_machine_are_near() {
        for near in [
            "169.254.169.254",
            "169.254.170.2",
            "127.0.0.1",
            "[::1]",
            "[fd00:ec2::254]",
            "localhost",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in ["sts.eu-west-1.amazonaws.com", "10.0.0.1", "[fd00::1]", ""] {
            assert!(!is_near(far), "{far}");
        }
    }
}
