//! Where keys come from, and new ones.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use wharf_s3::Lost;
use wharf_s3::https::{Credentials, Https, HttpsOptions, Role, Secret};
use wharf_s3::wire::{Attributes, Checksum, Guarded, Request};

use crate::fake::{Fake, Reply, Seen, ok, status};
use crate::{https, key, options, send};

fn environment(variables: &[(&str, &str)]) -> Option<BTreeMap<String, Secret>> {
    let pairs = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::from(*value)));
    Some(pairs.collect())
}

/// Keys as services beside a machine give them out.
pub(crate) fn given(number: usize, seconds: i64) -> String {
    let expires = Timestamp::now() + SignedDuration::from_secs(seconds);
    format!(
        r#"{{"Code":"Success","AccessKeyId":"AKIA{number}","SecretAccessKey":"secret-of-{number}","Token":"token-of-{number}","Expiration":"{expires:.0}"}}"#
    )
}

/// The metadata service of a machine, whose keys are good for so many seconds.
pub(crate) fn imds(good_for: fn(usize) -> i64) -> Fake {
    let given_out = AtomicUsize::new(0);
    Fake::new(move |_, request: &Seen| {
        let token = request.header("x-aws-ec2-metadata-token");
        match (request.method.as_str(), request.target.as_str(), token) {
            ("PUT", "/latest/api/token", None) => ok("hidden-of-imds"),
            ("GET", "/latest/meta-data/iam/security-credentials/", Some("hidden-of-imds")) => {
                ok("role")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/role", Some("hidden-of-imds")) => {
                let number = given_out.fetch_add(1, Ordering::SeqCst);
                ok(&given(number, good_for(number)))
            }
            _ => status(401, ""),
        }
    })
}

pub(crate) fn with_imds(store: &Fake, imds: &Fake) -> HttpsOptions {
    HttpsOptions {
        credentials: Credentials::Imds,
        environment: environment(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.url())]),
        ..options(store)
    }
}

/// Returns the keys that requests were signed with, and the tokens.
fn signed_with(store: &Fake) -> Vec<(String, Option<String>)> {
    let seen = store.seen();
    seen.iter()
        .map(|request| {
            let id = request.signature("Credential").split('/').next().unwrap();
            let token = request.header("x-amz-security-token");
            (id.to_owned(), token.map(str::to_owned))
        })
        .collect()
}

fn from_imds(number: usize) -> (String, Option<String>) {
    (format!("AKIA{number}"), Some(format!("token-of-{number}")))
}

fn how_often_keys_were_given(imds: &Fake) -> usize {
    let seen = imds.seen();
    let of_role = seen
        .iter()
        .filter(|request| request.target.ends_with("/role"));
    of_role.count()
}

fn use_at_once(https: &Https, sessions: usize) {
    let start = Barrier::new(sessions);
    thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| {
                start.wait();
                assert_eq!(send(https, &Request::head("k")).unwrap().status, 200);
            });
        }
    });
}

#[test]
fn one_session_fetches_keys_for_all() {
    let (store, imds) = (Fake::new(|_, _| ok("")), imds(|_| 3600));
    let https = https(&with_imds(&store, &imds)).unwrap();
    use_at_once(&https, 100);
    assert_eq!(how_often_keys_were_given(&imds), 1);
    assert_eq!(signed_with(&store), vec![from_imds(0); 100]);
}

#[test]
fn keys_that_expire_are_replaced_before() {
    let (store, imds) = (
        Fake::new(|_, _| ok("")),
        imds(|number| if number == 0 { 17 } else { 3600 }),
    );
    let https = https(&with_imds(&store, &imds)).unwrap();
    send(&https, &Request::head("k")).unwrap();
    thread::sleep(Duration::from_secs(3));
    use_at_once(&https, 20);
    assert_eq!(how_often_keys_were_given(&imds), 2);
    let signed = signed_with(&store);
    assert_eq!(signed[0], from_imds(0));
    assert_eq!(signed[1..], vec![from_imds(1); 20]);
}

const EXPIRED: &str =
    "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>";

#[test]
fn keys_that_the_store_calls_expired_are_replaced_once_for_all() {
    let store = Fake::new(|_, request| {
        let is_old = request.header("x-amz-security-token") == Some("token-of-0");
        if is_old { status(400, EXPIRED) } else { ok("") }
    });
    let imds = imds(|_| 3600);
    let https = https(&with_imds(&store, &imds)).unwrap();
    // HEAD tells no code.
    use_at_once(&https, 20);
    assert_eq!(how_often_keys_were_given(&imds), 2);
    let nothing = Attributes::default();
    let put = Request::put("k", b"abc", &nothing, Checksum::None, Guarded::No);
    assert_eq!(send(&https, &put).unwrap().status, 200);
    assert_eq!(how_often_keys_were_given(&imds), 2);
}

#[test]
fn a_request_is_repeated_once_with_new_keys() {
    let store = Fake::new(|_, _| status(403, EXPIRED));
    let imds = imds(|_| 3600);
    let https = https(&with_imds(&store, &imds)).unwrap();
    let nothing = Attributes::default();
    let put = Request::put("k", b"abc", &nothing, Checksum::None, Guarded::No);
    let answer = send(&https, &put).unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(crate::text(answer), EXPIRED);
    assert_eq!(signed_with(&store), [from_imds(0), from_imds(1)]);
    assert!(store.seen().iter().all(|request| request.body == b"abc"));
}

#[test]
fn nothing_is_repeated_with_the_same_keys() {
    let store = Fake::new(|_, _| status(400, EXPIRED));
    let https = https(&options(&store)).unwrap();
    assert_eq!(
        send(&https, &Request::get("k", 0, None)).unwrap().status,
        400
    );
    assert_eq!(store.seen().len(), 1);
}

#[test]
fn a_refusal_for_other_reasons_fetches_no_keys() {
    for code in [
        "AccessDenied",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "RequestTimeTooSkewed",
    ] {
        let store =
            Fake::new(move |_, _| status(403, &format!("<Error><Code>{code}</Code></Error>")));
        let imds = imds(|_| 3600);
        let https = https(&with_imds(&store, &imds)).unwrap();
        assert_eq!(
            send(&https, &Request::get("k", 0, None)).unwrap().status,
            403
        );
        assert_eq!(
            (store.seen().len(), how_often_keys_were_given(&imds)),
            (1, 1)
        );
    }
}

#[test]
fn an_agent_beside_a_container_is_asked_with_its_token() {
    let store = Fake::new(|_, _| ok(""));
    let agent = Fake::new(|number, request| match request.header("authorization") {
        Some("let-me-in") => ok(&given(number, 3600)),
        _ => status(403, "no"),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "let-me-in").unwrap();
    let uri = format!("{}/v1/credentials", agent.url());
    let of_container = |token: (&str, &str)| {
        https(&HttpsOptions {
            credentials: Credentials::Container,
            environment: environment(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), token]),
            ..options(&store)
        })
        .unwrap()
    };
    send(
        &of_container(("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let-me-in")),
        &Request::head("k"),
    )
    .unwrap();
    let by_file = (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        file.to_str().unwrap(),
    );
    send(&of_container(by_file), &Request::head("k")).unwrap();
    assert_eq!(signed_with(&store), [from_imds(0), from_imds(1)]);
    assert_eq!(agent.seen()[0].target, "/v1/credentials");
    let lost = send(&of_container(("X", "")), &Request::head("k")).unwrap_err();
    assert!(
        matches!(&lost, Lost::Unsigned(why) if why.contains("not authorized")),
        "{lost:?}"
    );
    assert_eq!(store.seen().len(), 2);
}

#[test]
fn variables_and_profiles_have_keys() {
    let store = Fake::new(|_, _| ok(""));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    fs::write(
        &file,
        "[default]\naws_access_key_id = AKIAD\naws_secret_access_key = d\n\
         [other]\naws_access_key_id = AKIAO\naws_secret_access_key = o\naws_session_token = t\n",
    )
    .unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAE"),
        ("AWS_SECRET_ACCESS_KEY", "e"),
        ("AWS_SESSION_TOKEN", "of-e"),
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_PROFILE", "other"),
    ];
    for (credentials, variables, id, token) in [
        (
            Credentials::Environment,
            &variables[..],
            "AKIAE",
            Some("of-e"),
        ),
        (
            Credentials::Profile("default".into()),
            &variables[..],
            "AKIAD",
            None,
        ),
        (
            Credentials::Profile("other".into()),
            &variables[..],
            "AKIAO",
            Some("t"),
        ),
        (Credentials::Chain, &variables[..], "AKIAE", Some("of-e")),
        (Credentials::Chain, &variables[3..], "AKIAO", Some("t")),
        (Credentials::Chain, &variables[3..5], "AKIAD", None),
    ] {
        let https = https(&HttpsOptions {
            credentials,
            environment: environment(variables),
            ..options(&store)
        });
        send(&https.unwrap(), &Request::head("k")).unwrap();
        let signed = signed_with(&store).pop().unwrap();
        assert_eq!(signed, (id.to_owned(), token.map(str::to_owned)));
    }
}

#[test]
fn only_those_who_may_ask_the_metadata_service_do() {
    let store = Fake::new(|_, _| ok(""));
    let imds = imds(|_| 3600);
    let asks = |credentials: Credentials| {
        let before = imds.seen().len();
        let https = https(&HttpsOptions {
            credentials,
            ..with_imds(&store, &imds)
        })
        .unwrap();
        let outcome = send(&https, &Request::head("k"));
        (outcome.is_ok(), imds.seen().len() > before)
    };
    assert_eq!(asks(Credentials::Static(key())), (true, false));
    for credentials in [
        Credentials::Environment,
        Credentials::Profile("default".into()),
        Credentials::WebIdentity,
        Credentials::Container,
    ] {
        assert_eq!(asks(credentials.clone()), (false, false), "{credentials:?}");
    }
    assert_eq!(asks(Credentials::Chain), (true, true));
    assert_eq!(asks(Credentials::Imds), (true, true));
}

#[test]
fn it_is_said_where_there_are_no_keys() {
    let store = Fake::new(|_, _| ok(""));
    let silent = Fake::new(|_, _| Reply::End);
    for (credentials, words) in [
        (Credentials::Environment, &["AWS_ACCESS_KEY_ID"][..]),
        (Credentials::Profile("mine".into()), &["\"mine\""]),
        (Credentials::WebIdentity, &["AWS_WEB_IDENTITY_TOKEN_FILE"]),
        (
            Credentials::Container,
            &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        ),
        (Credentials::Imds, &["127.0.0.1", "closed"]),
        (
            Credentials::Chain,
            &["AWS_ACCESS_KEY_ID", "profile", "AWS_ROLE_ARN", "closed"],
        ),
    ] {
        let https = https(&HttpsOptions {
            credentials: credentials.clone(),
            ..with_imds(&store, &silent)
        })
        .unwrap();
        let Lost::Unsigned(why) = send(&https, &Request::head("k")).unwrap_err() else {
            panic!("{credentials:?}");
        };
        for word in words {
            assert!(why.contains(word), "{why}");
        }
    }
    assert!(store.seen().is_empty());
}

#[test]
fn good_keys_are_used_on_while_there_are_no_new_ones() {
    let store = Fake::new(|_, _| ok(""));
    // Two minutes before they expire new ones are wanted.
    let agent = Fake::new(|number, _| match number {
        0 => ok(&given(number, 60)),
        _ => Reply::Silence(Duration::from_secs(2)),
    });
    let https = https(&HttpsOptions {
        credentials: Credentials::Container,
        environment: environment(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url())]),
        ..options(&store)
    })
    .unwrap();
    let send = || {
        let begun = Instant::now();
        send(&https, &Request::head("k")).unwrap();
        begun.elapsed()
    };
    send();
    send();
    assert_eq!(agent.seen().len(), 1, "they were only just fetched");
    thread::sleep(Duration::from_millis(10_500));
    let took = thread::scope(|scope| {
        let sessions: Vec<_> = (0..5).map(|_| scope.spawn(send)).collect();
        let took = sessions.into_iter().map(|session| session.join().unwrap());
        took.collect::<Vec<_>>()
    });
    let waited = took.iter().filter(|took| **took > Duration::from_secs(1));
    assert_eq!(waited.count(), 1, "{took:?}");
    send();
    assert_eq!(
        agent.seen().len(),
        2,
        "it is tried again, but not for each request"
    );
    assert_eq!(signed_with(&store), vec![from_imds(0); 8]);
}

#[test]
fn a_role_is_taken_on_at_its_token_service() {
    let store = Fake::new(|_, _| ok(""));
    let office = Fake::new(|number, _| match number {
        0 => {
            let expires = Timestamp::now() + SignedDuration::from_secs(3600);
            ok(&format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <Credentials><AccessKeyId>AKIAR</AccessKeyId><SecretAccessKey>r</SecretAccessKey>\
                 <SessionToken>of-r</SessionToken><Expiration>{expires:.0}</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
            ))
        }
        _ => status(
            403,
            "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
        ),
    });
    let options = HttpsOptions {
        role: Some(Role {
            arn: "arn:aws:iam::1:role/r".into(),
            external_id: Some("a&b=".into()),
            session: None,
            endpoint: Some(office.url()),
        }),
        ..options(&store)
    };
    let first = https(&options).unwrap();
    send(&first, &Request::head("k")).unwrap();
    send(&first, &Request::head("k")).unwrap();
    let asked = office.only();
    let body = String::from_utf8(asked.body.clone()).unwrap();
    for part in [
        "Action=AssumeRole&",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&",
        "RoleSessionName=wharf",
        "ExternalId=a%26b%3D",
    ] {
        assert!(body.contains(part), "{body}");
    }
    assert!(asked.signature("Credential").starts_with("AKIATEST/"));
    assert!(
        asked
            .signature("Credential")
            .ends_with("/here-1/sts/aws4_request")
    );
    assert_eq!(
        signed_with(&store),
        vec![("AKIAR".to_owned(), Some("of-r".to_owned())); 2]
    );

    let lost = send(&https(&options).unwrap(), &Request::head("k")).unwrap_err();
    assert!(
        matches!(&lost, Lost::Unsigned(why) if why.contains("AccessDenied")),
        "{lost:?}"
    );
}
