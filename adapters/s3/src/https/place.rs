//! [`Place`]: where a store is, and for which region it wants signatures.

use std::sync::{Arc, PoisonError, RwLock};

use super::endpoint::{address, endpoint, host};
use super::{HttpsOptions, Mistake};
use crate::wire::Request;
use crate::{Provider, Style};

/// The region that stores take which have none.
const ANY_REGION: &str = "us-east-1";

/// Where a store is, and how requests name a bucket in it.
#[derive(Debug)]
pub(super) struct Place {
    provider: Provider,
    scheme: &'static str,
    style: Style,
    bucket: String,
    site: RwLock<Arc<Site>>,
}

/// What may have to be corrected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// The region that requests are signed for.
    pub(super) region: String,
    /// The host of the store, and its port if it is not the usual one.
    authority: String,
    is_corrected: bool,
}

impl Place {
    pub(super) fn new(options: &HttpsOptions) -> Result<Self, Mistake> {
        let bucket = options.bucket.as_str();
        if !is_bucket(bucket) {
            return Err(Mistake::Bucket(format!(
                "\"{bucket}\" is no name of a bucket"
            )));
        }
        let region = options.region.as_deref().unwrap_or(ANY_REGION);
        if !is_region(region) {
            return Err(Mistake::Region(format!(
                "\"{region}\" is no name of a region"
            )));
        }
        let (scheme, authority) = match &options.endpoint {
            Some(url) => endpoint(url, options.clear_text)?,
            None => ("https", usual_authority(options)?),
        };
        let style = options.style.unwrap_or(options.provider.style());
        if style == Style::Virtual {
            if bucket.contains('.') && scheme == "https" {
                return Err(Mistake::Style(format!(
                    "no certificate is for \"{bucket}.{authority}\", since there is a dot in the bucket: only \
                     \"path\" works here"
                )));
            }
            if address(host(&authority)).is_some() {
                return Err(Mistake::Style(format!(
                    "\"{authority}\" is an address, below which there are no names: only \"path\" works here"
                )));
            }
        }
        Ok(Self {
            provider: options.provider,
            scheme,
            style,
            bucket: bucket.to_owned(),
            site: RwLock::new(Arc::new(Site {
                region: region.to_owned(),
                authority,
                is_corrected: false,
            })),
        })
    }

    /// Returns whether all goes under TLS.
    pub(super) fn is_protected(&self) -> bool {
        self.scheme == "https"
    }

    /// Returns where the store is, as far as it is known now.
    pub(super) fn site(&self) -> Arc<Site> {
        let site = self.site.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&site)
    }

    /// Returns the whole URL of a request.
    pub(super) fn url(&self, site: &Site, request: &Request<'_>) -> String {
        let (host, target) = request.target(&site.authority, &self.bucket, self.style);
        format!("{}://{host}{target}", self.scheme)
    }

    /// Takes the region that the store has named in an answer to a request for `used`, and returns whether the
    /// request may be repeated. That is taken once. No host is taken from an answer: it is the same one, or
    /// that of the provider for the region.
    pub(super) fn correct(&self, used: &Arc<Site>, region: &str) -> bool {
        let mut site = self.site.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&site, used) {
            // An answer to somebody else was quicker.
            return true;
        }
        if used.is_corrected || !is_region(region) || region == used.region {
            return false;
        }
        let is_usual = self.provider.host(&used.region).as_ref() == Some(&used.authority);
        let usual = self.provider.host(region).filter(|_| is_usual);
        tracing::warn!(
            bucket = self.bucket,
            "the bucket is not in the region \"{}\": write region = \"{region}\"",
            used.region
        );
        *site = Arc::new(Site {
            region: region.to_owned(),
            authority: usual.unwrap_or_else(|| used.authority.clone()),
            is_corrected: true,
        });
        true
    }
}

/// Returns whether that can be the name of a bucket. It stands in URLs as it is.
fn is_bucket(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    name.len() <= 255
        && name.bytes().all(may_stand)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Returns whether that can be the name of a region. It may become a part of a host.
fn is_region(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Returns where the provider has the region.
fn usual_authority(options: &HttpsOptions) -> Result<String, Mistake> {
    let usual = |region: &str| options.provider.host(region);
    let is_known = usual(ANY_REGION);
    let depends = is_known != usual("another");
    match (&options.region, is_known) {
        (_, None) => Err(Mistake::Endpoint(
            "it must be given for this provider".into(),
        )),
        (None, Some(_)) if depends => Err(Mistake::Region(
            "it must be given, or else the endpoint".into(),
        )),
        (None, Some(host)) => Ok(host),
        (Some(region), Some(host)) => Ok(usual(region).unwrap_or(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::https::Credentials;

    fn options(provider: Provider, endpoint: Option<&str>, region: Option<&str>) -> HttpsOptions {
        HttpsOptions {
            endpoint: endpoint.map(Into::into),
            region: region.map(Into::into),
            ..HttpsOptions::new(provider, "bucket", Credentials::Chain)
        }
    }

    fn url(options: &HttpsOptions) -> Result<String, Mistake> {
        let place = Place::new(options)?;
        Ok(place.url(&place.site(), &Request::head("k")))
    }

    #[test]
    fn a_store_is_where_it_is_said_or_where_its_provider_has_the_region() {
        for (provider, endpoint, region, expected) in [
            (
                Provider::Aws,
                None,
                Some("eu-west-1"),
                "https://bucket.s3.eu-west-1.amazonaws.com/k",
            ),
            (
                Provider::Gcs,
                None,
                None,
                "https://storage.googleapis.com/bucket/k",
            ),
            (
                Provider::Other,
                Some("https://s:9000"),
                None,
                "https://s:9000/bucket/k",
            ),
            (
                Provider::Cos,
                Some("https://s/"),
                Some("x"),
                "https://bucket.s/k",
            ),
            (
                Provider::Minio,
                Some("http://127.0.0.1:9"),
                None,
                "http://127.0.0.1:9/bucket/k",
            ),
            (
                Provider::Minio,
                Some("http://[::1]"),
                None,
                "http://[::1]/bucket/k",
            ),
            (
                Provider::Minio,
                Some("http://localhost"),
                None,
                "http://localhost/bucket/k",
            ),
        ] {
            let options = options(provider, endpoint, region);
            assert_eq!(url(&options).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn every_mistake_is_told_where_it_is() {
        let told = |options: HttpsOptions| url(&options).expect_err("a mistake");
        let at = |endpoint| told(options(Provider::Other, Some(endpoint), None));
        for wrong in [
            "store:9000",
            "ftp://store",
            "https://",
            "https://a b",
            "https://s/path",
            "https://s/?q",
            "http://store",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "",
        ] {
            assert!(matches!(at(wrong), Mistake::Endpoint(_)), "{wrong}");
        }
        let said = at("https://user:hidden@store").to_string();
        assert!(!said.contains("hidden"), "{said}");
        let nowhere = told(options(Provider::Minio, None, None));
        assert!(matches!(nowhere, Mistake::Endpoint(_)));
        let nowhere = told(options(Provider::Aws, None, None));
        assert!(matches!(nowhere, Mistake::Region(_)));
        let odd = told(options(Provider::Aws, None, Some("x.evil.example/")));
        assert!(matches!(odd, Mistake::Region(_)));
        for wrong in ["", "a/b", "..", "a b", "-a", "ü"] {
            let options = options(Provider::Gcs, None, None);
            let told = told(HttpsOptions {
                bucket: wrong.into(),
                ..options
            });
            assert!(matches!(told, Mistake::Bucket(_)), "{wrong}");
        }
    }

    #[test]
    fn clear_text_may_be_allowed() {
        let options = HttpsOptions {
            clear_text: true,
            ..options(Provider::Other, Some("http://store"), None)
        };
        assert_eq!(url(&options).as_deref(), Ok("http://store/bucket/k"));
    }

    #[test]
    fn no_certificate_is_for_a_bucket_with_a_dot() {
        let dotted = |endpoint: &str| HttpsOptions {
            bucket: "a.b".into(),
            style: Some(Style::Virtual),
            clear_text: true,
            ..options(Provider::Other, Some(endpoint), None)
        };
        assert!(matches!(url(&dotted("https://s")), Err(Mistake::Style(_))));
        assert_eq!(url(&dotted("http://s")).as_deref(), Ok("http://a.b.s/k"));
        assert!(matches!(
            url(&dotted("http://[::1]:8")),
            Err(Mistake::Style(_))
        ));
        let path = HttpsOptions {
            style: Some(Style::Path),
            ..dotted("https://s")
        };
        assert_eq!(url(&path).as_deref(), Ok("https://s/a.b/k"));
    }

    #[test]
    fn a_region_is_corrected_once_and_no_host_is_taken_over() {
        let place = Place::new(&options(Provider::Aws, None, Some("eu-west-1"))).expect("a place");
        let used = place.site();
        assert!(!place.correct(&used, "eu-west-1"), "it is the same");
        assert!(!place.correct(&used, "evil.example/"), "it is none");
        assert!(place.correct(&used, "eu-north-1"));
        assert!(
            place.correct(&used, "eu-south-1"),
            "somebody else was quicker"
        );
        let site = place.site();
        assert_eq!(site.region, "eu-north-1");
        assert_eq!(
            place.url(&site, &Request::head("k")),
            "https://bucket.s3.eu-north-1.amazonaws.com/k"
        );
        assert!(
            !place.correct(&site, "eu-south-1"),
            "it is corrected already"
        );

        let own = options(
            Provider::Aws,
            Some("https://s3.internal"),
            Some("eu-west-1"),
        );
        let place = Place::new(&own).expect("a place");
        assert!(place.correct(&place.site(), "eu-north-1"));
        let url = place.url(&place.site(), &Request::head("k"));
        assert_eq!(url, "https://bucket.s3.internal/k");
    }
}
