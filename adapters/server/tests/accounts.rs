//! Logins: who is let in, and what it costs.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use common::{Place, SECRET};
use wharf_core::{Denied, Grant, Rights, VPath};
use wharf_server::cli::accounts::{FileAccounts, User};
use wharf_server::cli::password::HashedPassword;
use wharf_storage::{Account, Accounts, Credentials, Local, LocalOptions, Storage};

/// The hash of `secret` at another price than [`SECRET`].
const DEAR: &str = "$argon2id$v=19$m=64,t=2,p=1$JrzmFOUpRkV0NR7YMWFULw$gCtlgfOYABqq8sk7lBOyZ2n6nL85ZDEcvW6hx4loSv4";

fn account(place: &Place, rights: Rights) -> Account {
    let local = Local::open(&place.path("home"), b"a", LocalOptions::default()).unwrap();
    let grant = Grant {
        rights,
        capabilities: local.capabilities(),
        start: VPath::default(),
        protect_data: false,
    };
    let storage: Arc<dyn Storage> = Arc::new(local);
    Account {
        grant,
        storage,
        demands_tls: false,
        seats: None,
    }
}

fn user(place: &Place, name: &str, password: &str) -> User {
    User {
        name: name.into(),
        password: HashedPassword::parse(password).unwrap(),
        account: account(place, Rights::ALL),
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

fn login(accounts: &FileAccounts, name: &str, password: &str) -> Result<Rights, Denied> {
    let answer = accounts.login(&credentials(name, password));
    answer.map(|account| account.grant.rights)
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
        assert!(accounts.login_now(&credentials(name, password)).is_none());
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
        let answer = accounts.login_now(&credentials(name, "")).unwrap();
        assert_eq!(answer.map(|account| account.grant.rights), Ok(Rights::READ));
        assert_eq!(login(&accounts, name, "anything"), Ok(Rights::READ));
    }
    assert_eq!(accounts.hashed(), 0);
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
fn what_is_no_argon2id_string_is_no_hash() {
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
