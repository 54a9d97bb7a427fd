//! [`Office`]: where keys are exchanged for those of a role (AssumeRole).

use http::Uri;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};

use super::trouble::{one_line, told_of_keys};
use super::{Mistake, Role};
use crate::Provider;
use crate::wire::{hex_sha256, texts};

/// How long they are good. It is what every role allows.
const SECONDS: &str = "3600";

/// Where keys are exchanged for those of a role.
pub(super) struct Office {
    url: String,
    region: String,
    form: String,
}

impl Office {
    pub(super) fn new(role: &Role, provider: Provider, region: &str) -> Result<Self, Mistake> {
        let url = match &role.endpoint {
            Some(url) => url.clone(),
            None if provider != Provider::Aws => {
                return Err(Mistake::Role(
                    "the endpoint of its token service must be given for this provider".into(),
                ));
            }
            None if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn"),
            None => format!("https://sts.{region}.amazonaws.com"),
        };
        let is_url = url.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http")) && uri.authority().is_some()
        });
        if !is_url {
            return Err(Mistake::Role(format!(
                "\"{url}\" is no URL of a token service"
            )));
        }
        if role.arn.is_empty() {
            return Err(Mistake::Role("it has no name".into()));
        }
        let mut form = format!("Action=AssumeRole&Version=2011-06-15&DurationSeconds={SECONDS}");
        let fields = [
            ("RoleArn", Some(role.arn.as_str())),
            (
                "RoleSessionName",
                Some(role.session.as_deref().unwrap_or("wharf")),
            ),
            ("ExternalId", role.external_id.as_deref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                form.push('&');
                form.push_str(name);
                form.push('=');
                form.extend(crate::wire::in_query(value));
            }
        }
        Ok(Self {
            url,
            region: region.to_owned(),
            form,
        })
    }

    /// Exchanges keys for those of the role.
    ///
    /// # Errors
    /// Why that was not possible.
    pub(super) async fn exchange(
        &self,
        context: &Context,
        own: &Credential,
    ) -> Result<Credential, String> {
        let request = http::Request::post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-amz-content-sha256", hex_sha256(self.form.as_bytes()))
            .body(());
        let (mut parts, ()) = request.map_err(|error| error.to_string())?.into_parts();
        RequestSigner::new("sts", &self.region)
            .with_standard_session_token()
            .sign_request(context, &mut parts, Some(own), None)
            .await
            .map_err(|error| told_of_keys(&error))?;
        let request = http::Request::from_parts(parts, self.form.clone().into());
        let answer = context.http_send(request).await;
        let answer = answer.map_err(|error| told_of_keys(&error))?;
        if !answer.status().is_success() {
            return Err(refusal(answer.status().as_u16(), answer.body()));
        }
        understood(answer.body())
            .ok_or_else(|| "the answer of the token service cannot be understood".into())
    }
}

fn understood(xml: &[u8]) -> Option<Credential> {
    let mut credential = Credential::default();
    texts(xml, |path, text| {
        if let [.., "AssumeRoleResult", "Credentials", field] = path {
            match *field {
                "AccessKeyId" => text.clone_into(&mut credential.access_key_id),
                "SecretAccessKey" => text.clone_into(&mut credential.secret_access_key),
                "SessionToken" => credential.session_token = Some(text.to_owned()),
                "Expiration" => credential.expires_in = text.parse().ok(),
                _ => {}
            }
        }
    })
    .ok()?;
    let is_whole = !credential.access_key_id.is_empty()
        && !credential.secret_access_key.is_empty()
        && credential.session_token.is_some()
        && credential.expires_in.is_some();
    is_whole.then_some(credential)
}

fn refusal(status: u16, xml: &[u8]) -> String {
    let (mut code, mut message) = (status.to_string(), String::new());
    // What cannot be read to its end has told enough.
    let _ = texts(xml, |path, text| match path {
        [.., "Error", "Code"] => text.clone_into(&mut code),
        [.., "Error", "Message"] => text.clone_into(&mut message),
        _ => {}
    });
    one_line(&format!(
        "the token service refuses the role: {code} {message}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_all_that_there_must_be() {
        let whole = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>\
            <SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>\
            <Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let credential = understood(whole.as_bytes()).expect("keys");
        assert_eq!(credential.access_key_id, "A");
        assert_eq!(credential.session_token.as_deref(), Some("T"));
        for field in [
            "AccessKeyId",
            "SecretAccessKey",
            "SessionToken",
            "Expiration",
        ] {
            let without = whole.replace(field, "Other");
            assert!(understood(without.as_bytes()).is_none(), "{field}");
        }
        assert!(understood(&whole.as_bytes()[..100]).is_none());
    }

    #[test]
    fn a_refusal_says_why() {
        let xml = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not\nyou</Message></Error></ErrorResponse>";
        let said = refusal(403, xml);
        assert!(said.ends_with("AccessDenied not you"), "{said}");
        assert!(refusal(500, b"").contains("500"));
    }

    #[test]
    fn a_token_service_must_be_known() {
        let role = |endpoint: Option<&str>| Role {
            arn: "arn:aws:iam::1:role/a b".into(),
            endpoint: endpoint.map(Into::into),
            ..Role::default()
        };
        let office = Office::new(&role(None), Provider::Aws, "eu-west-1").expect("an office");
        assert_eq!(office.url, "https://sts.eu-west-1.amazonaws.com");
        assert!(
            office
                .form
                .contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&"),
            "{}",
            office.form
        );
        let office = Office::new(&role(None), Provider::Aws, "cn-north-1").expect("an office");
        assert_eq!(office.url, "https://sts.cn-north-1.amazonaws.com.cn");
        assert!(Office::new(&role(None), Provider::Minio, "x").is_err());
        assert!(Office::new(&role(Some("minio:9000")), Provider::Minio, "x").is_err());
        assert!(Office::new(&role(Some("https://minio:9000")), Provider::Minio, "x").is_ok());
        assert!(Office::new(&Role::default(), Provider::Aws, "x").is_err());
    }
}
