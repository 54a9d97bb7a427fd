//! Logins: who is let in, and what it costs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::symlink;
use std::sync::Arc;

use common::{Place, SECRET, executors};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use wharf_core::{Capabilities, Denied, Grant, Rights, VPath};
use wharf_local::{LocalOptions, Root};
use wharf_server::accounts::{FileAccounts, User};
use wharf_server::admission::{Admission, Place as Seen};
use wharf_server::certificate::{Fingerprint, NamedBy};
use wharf_server::home::Home;
use wharf_server::password::HashedPassword;
use wharf_storage::{Accounts, Begun, Credentials, Introduction};

/// The hash of `secret` at another price than [`SECRET`].
const DEAR: &str = "$argon2id$v=19$m=64,t=2,p=1$JrzmFOUpRkV0NR7YMWFULw$gCtlgfOYABqq8sk7lBOyZ2n6nL85ZDEcvW6hx4loSv4";

fn account(place: &Place, rights: Rights) -> Admission {
    let grant = Grant::new(rights, Capabilities::ALL);
    Admission {
        grant,
        place: Seen::Directory {
            home: Arc::new(Home::new(
                &place.path("home"),
                LocalOptions::default(),
                &Arc::default(),
            )),
            may_be_root: false,
        },
        owner: b"a".to_vec(),
        demands_tls: false,
        seats: None,
    }
}

fn user(place: &Place, name: &str, password: &str) -> User {
    User {
        name: name.into(),
        password: HashedPassword::parse(password).unwrap(),
        admission: Arc::new(account(place, Rights::ALL)),
        certificates: Vec::new(),
    }
}

fn credentials<'a>(name: &'a str, password: &'a str) -> Credentials<'a> {
    Credentials {
        username: name.into(),
        password: password.as_bytes(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        protected: false,
    }
}

/// Whether the name is refused before anything is hashed.
fn is_refused_at_once(accounts: &FileAccounts, name: &str) -> bool {
    matches!(
        accounts.login(&credentials(name, "x"), &executors()),
        Begun::Done(_)
    )
}

fn login(accounts: &FileAccounts, name: &str, password: &str) -> Result<Rights, Denied> {
    let answer = accounts.login(&credentials(name, password), &executors());
    answer.wait().map(|account| account.grant.rights)
}

/// Otherwise a name for which the answer never changes were a known one.
#[test]
fn an_unknown_name_is_answered_alike_after_a_restart() {
    let place = Place::new();
    let start = || {
        let users = (0..20).map(|number| {
            let mut user = user(&place, &format!("user{number}"), SECRET);
            Arc::get_mut(&mut user.admission).unwrap().demands_tls = number % 2 == 0;
            user
        });
        FileAccounts::new(None, users.collect())
    };
    let answers = |accounts: &FileAccounts| {
        let names = (0..200).map(|number| format!("nobody{number}"));
        let answers = names.map(|name| is_refused_at_once(accounts, &name));
        answers.collect::<Vec<_>>()
    };
    let answered = answers(&start());
    assert!(answered.contains(&true) && answered.contains(&false));
    assert_eq!(answers(&start()), answered);
}

/// As a file of accounts does whose name comes first.
#[test]
fn an_unknown_name_is_answered_alike_when_a_user_comes_before_others() {
    let place = Place::new();
    let start = |first: u32| {
        let users = (first..40).map(|number| {
            let password = if number % 3 == 0 { DEAR } else { SECRET };
            let mut user = user(&place, &format!("user{number}"), password);
            Arc::get_mut(&mut user.admission).unwrap().demands_tls = number % 2 == 0;
            user
        });
        FileAccounts::new(None, users.collect())
    };
    let answers = |accounts: &FileAccounts| {
        let names = (0..400).map(|number| format!("nobody{number}"));
        let answers = names.map(|name| is_refused_at_once(accounts, &name));
        answers.collect::<Vec<_>>()
    };
    let (before, after) = (answers(&start(1)), answers(&start(0)));
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(changed < 40, "{changed}");
}

#[test]
fn only_the_right_password_of_the_right_user_lets_in() {
    let place = Place::new();
    let accounts = FileAccounts::new(None, vec![user(&place, "user0", SECRET)]);
    assert_eq!(login(&accounts, "user0", "secret"), Ok(Rights::ALL));
    for (name, password) in [
        ("user0", "Secret"),
        ("user0", ""),
        ("user0", SECRET),
        ("user1", "secret"),
        ("User0", "secret"),
        ("", "secret"),
        ("anonymous", "secret"),
    ] {
        let answer = login(&accounts, name, password);
        assert_eq!(answer, Err(Denied::Credentials), "{name} {password}");
    }
}

#[test]
fn an_unknown_name_costs_as_many_hashes_as_a_known_one() {
    let place = Place::new();
    let users = vec![user(&place, "user0", SECRET), user(&place, "user1", DEAR)];
    let accounts = FileAccounts::new(Some(account(&place, Rights::READ)), users);
    let cost = |name, password| {
        let before = accounts.hashed();
        let _ = login(&accounts, name, password);
        accounts.hashed() - before
    };
    for (name, password) in [
        ("user0", "secret"),
        ("user1", "secret"),
        ("user0", "wrong"),
        ("nobody", "secret"),
        ("nobody", ""),
        ("", ""),
        ("\u{1b}[2J", "secret"),
    ] {
        assert_eq!(cost(name, password), 1, "{name} {password}");
    }
}

#[test]
fn anonymous_clients_cost_no_hash() {
    let place = Place::new();
    let anonymous = Some(account(&place, Rights::READ));
    let accounts = FileAccounts::new(anonymous, vec![user(&place, "user0", SECRET)]);
    for name in ["anonymous", "ftp", "ANONYMOUS", "Ftp"] {
        assert_eq!(login(&accounts, name, ""), Ok(Rights::READ));
        assert_eq!(login(&accounts, name, "anything"), Ok(Rights::READ));
    }
    assert_eq!(accounts.hashed(), 0);
}

#[test]
fn a_home_is_looked_at_anew_by_each_login() {
    let place = Place::new();
    let accounts = FileAccounts::new(None, vec![user(&place, "user0", SECRET)]);
    let files = || {
        let executors = executors();
        let account = accounts.login(&credentials("user0", "secret"), &executors);
        let path = VPath::resolve(&VPath::root(), b"f").unwrap();
        let found = account.wait()?.storage.stat(&path, &executors.storage);
        Ok(found.wait().is_ok())
    };
    assert_eq!(files(), Ok(false));
    fs::rename(place.path("home"), place.path("old")).unwrap();
    assert_eq!(files(), Err(Denied::Unavailable));
    assert_eq!(login(&accounts, "user0", "wrong"), Err(Denied::Credentials));
    fs::create_dir(place.path("home")).unwrap();
    fs::write(place.path("home").join("f"), "new").unwrap();
    assert_eq!(files(), Ok(true));
    fs::remove_dir_all(place.path("home")).unwrap();
    symlink("/", place.path("home")).unwrap();
    assert_eq!(files(), Err(Denied::Unavailable), "the root of the system");
}

#[test]
fn accounts_that_share_a_home_share_its_descriptor_while_they_are_there() {
    let place = Place::new();
    let home = Home::new(
        &place.path("home"),
        LocalOptions::default(),
        &Arc::default(),
    );
    let descriptor = |root: &Root| root.as_fd().as_raw_fd();
    let (one, other) = (home.open().unwrap(), home.open().unwrap());
    assert_eq!(descriptor(&one), descriptor(&other));
    let local = one.account(b"a").unwrap();
    drop((one, other));
    let again = home.open().unwrap();
    assert_eq!(descriptor(&again), local.as_fd().as_raw_fd());
    // Another directory under the same name is another one.
    fs::rename(place.path("home"), place.path("old")).unwrap();
    fs::create_dir(place.path("home")).unwrap();
    let new = home.open().unwrap();
    assert_ne!(descriptor(&new), descriptor(&again));
    assert_ne!(new.id().unwrap(), again.id().unwrap());
}

#[test]
fn where_nobody_has_a_password_none_is_hashed() {
    let place = Place::new();
    let accounts = FileAccounts::new(Some(account(&place, Rights::READ)), Vec::new());
    assert_eq!(login(&accounts, "root", "secret"), Err(Denied::Credentials));
    assert_eq!(accounts.hashed(), 0);
}

#[test]
fn many_logins_at_once_all_get_their_turn() {
    let place = Place::new();
    let accounts = FileAccounts::new(None, vec![user(&place, "user0", DEAR)]);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(login(&accounts, "user0", "secret"), Ok(Rights::ALL)));
        }
    });
    assert_eq!(accounts.hashed(), 16);
}

#[test]
fn what_is_no_hash_is_refused() {
    for text in [
        "",
        "secret",
        "$argon2id$v=19$m=32,t=1,p=1",
        "$argon2id$v=19$m=32,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw",
        "$argon2id$v=19$m=1,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "$argon2id$v=99$m=32,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "$argon2i$v=19$m=32,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "$argon2id$v=19$m=32,t=1,p=1$AAAA$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "$6$salt$hash",
    ] {
        assert!(HashedPassword::parse(text).is_err(), "{text}");
    }
    let hash = HashedPassword::parse(SECRET).unwrap();
    assert_eq!(hash.to_string(), SECRET);
    assert_eq!(format!("{hash:?}"), "HashedPassword(..)");
}

/// A certificate in DER that says so of its owner.
fn certificate(common_names: &[&str], email: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in common_names {
        params
            .distinguished_name
            .push(DnType::CommonName, name.to_owned());
    }
    params.subject_alt_names = vec![SanType::Rfc822Name(email.try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn a_certificate_stands_for_the_password_as_the_rule_says() {
    let place = Place::new();
    let named = certificate(&["user0"], "somebody@example.org");
    let mailed = certificate(&["somebody"], "user0");
    let listed = certificate(&["nobody"], "nobody@example.org");
    let printed = Fingerprint::of(&listed);
    for (rule, proofs) in [
        (NamedBy::Nothing, [false, false, true]),
        (NamedBy::CommonName, [true, false, true]),
        (NamedBy::Email, [false, true, true]),
    ] {
        let user = User {
            certificates: vec![printed],
            ..user(&place, "user0", SECRET)
        };
        let others = self::user(&place, "user1", SECRET);
        let accounts = FileAccounts::new(None, vec![user, others]).named_by(rule);
        let identify = |name: &str, certificate| {
            let introduction = Introduction {
                username: name.into(),
                peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
                protected: true,
                certificate,
            };
            let known = accounts.identify(&introduction, &executors());
            known.wait().unwrap().is_some()
        };
        for (certificate, proof) in [&named, &mailed, &listed].into_iter().zip(proofs) {
            assert_eq!(identify("user0", Some(certificate)), proof, "{rule:?}");
            assert!(!identify("user1", Some(certificate)), "{rule:?}");
            assert!(!identify("unknown", Some(certificate)), "{rule:?}");
        }
        assert!(!identify("user0", None));
        assert!(!identify("user0", Some(b"no certificate")));
    }
}

#[test]
fn a_fingerprint_is_shown_as_it_is_written() {
    let place = Place::new();
    let listed = certificate(&["nobody"], "nobody@example.org");
    let shown = Fingerprint::of(&listed).to_string();
    assert_eq!(shown.len(), 32 * 3 - 1);
    for written in [shown.clone(), shown.to_lowercase().replace(':', "")] {
        let toml = format!(
            "[tls]\ncertificate = \"own.pem\"\nclient-certificates = \"optional\"\n\
             client-ca = \"own.pem\"\n[[user]]\nname = \"user0\"\npassword = \"{SECRET}\"\n\
             home = \"home\"\ncertificates = [\"{written}\"]\n"
        );
        let launch = place.start(toml.as_bytes(), &[]);
        let launch = launch.unwrap_or_else(|stop| panic!("{}", stop.text));
        let introduction = Introduction {
            username: "user0".into(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            protected: true,
            certificate: Some(&listed),
        };
        let accounts = &launch.settings.accounts;
        let known = accounts.identify(&introduction, &executors());
        assert!(known.wait().unwrap().is_some(), "{written}");
    }
}
