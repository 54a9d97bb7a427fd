//! Passwords and their hashes: known answers of crypt(3), what is no hash, and what is too dear.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{Place, SECRET};
use proptest::prelude::*;
use wharf_server::password::{HashedPassword, Refused};

/// Passwords with the hash that crypt(3) of libxcrypt makes of them; the first of SHA-crypt are those of its
/// specification.
const KNOWN: &[(&[u8], &str)] = &[
    (
        b"Hello world!",
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
    ),
    (
        b"Hello world!",
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
    ),
    (
        b"This is just a test",
        "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5",
    ),
    (
        b"a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
    ),
    (
        b"we have a short salt string but not a short password",
        "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
    ),
    (
        b"a short string",
        "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD",
    ),
    (
        b"Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        b"Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    (
        b"This is just a test",
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
    ),
    (
        b"we have a short salt string but not a short password",
        "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
    ),
    (
        b"",
        "$5$saltstring$FdNfA4gXqvCeO6iZs7G/.wwwoywYZqo0l1pwmfWaBA7",
    ),
    (
        b"",
        "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1",
    ),
    (
        b"caf\xe9 \xff\x80",
        "$5$saltstring$vGQqESZ.HgJ1aaPM53tMP1oMCI9Z2sy46lGdRWM6qiA",
    ),
    (
        b"caf\xe9 \xff\x80",
        "$6$saltstring$0/DSnIXkgiPeh6UwEotRm3fpLr8.4PovxWFoO0464VTVkZwN24AGKBcrwGsoW/JgZTS3ImBes4bA12T5V6Bp01",
    ),
    (
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "$6$rounds=1000$long$0Bn35c6ACBOsvDEBlzULawx3Rp7WWOraKM4d2I0nV.FNiZ2ABnhUYaHr7.iJrf0nQaXy0Q8yV6yM3WDwAsfU61",
    ),
    (
        b"U*U",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ),
    (
        b"U*U*",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
    ),
    (
        b"secret",
        "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
    ),
    (
        b"",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy",
    ),
    (
        b"caf\xe9 \xff\x80",
        "$2y$05$CCCCCCCCCCCCCCCCCCCCC.YrvlzYC9aeQe58sdaHWV4vkBrxnktn.",
    ),
    (
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2b$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
    (
        b"Hello world!",
        "$y$j75$abcdefghijklmnopqrstu.$qLgwbek6p1dxwznGdWTDFWYKrR3hhRvPKG13haoB.62",
    ),
    (
        b"",
        "$y$j75$abcdefghijklmnopqrstu.$kHWjygbg2D/mrPyWWm5uY0bWULb.EYLPPcQs7GdL3D/",
    ),
    (
        b"caf\xe9 \xff\x80",
        "$y$j75$abcdefghijklmnopqrstu.$6jwInkrjau5ZOom91xHPcUp7qTNdYVrhXnWWMPGY0o6",
    ),
    (
        b"Hello world!",
        "$y$j85$abcdefghijklmnopqrstu.$092qkD4gGXNka3F0qql1xOpr7b12R3qeonE/saoWZe5",
    ),
    (
        b"Hello world!",
        "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$zW5G4BIAAeOQpBvY3MQbaO1vXUDwmoOegrzuQYvjwo/",
    ),
];

#[test]
fn a_hash_of_crypt_is_that_of_its_password_and_of_no_other() {
    for (password, text) in KNOWN {
        let hash = HashedPassword::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(hash.to_string(), *text);
        assert!(hash.verify(password).unwrap(), "{text}");
        let mut other = password.to_vec();
        other.insert(0, b'x');
        for wrong in [&other[..], &password[1.min(password.len())..], b"\xff"] {
            let is_right = hash.verify(wrong).unwrap();
            assert_eq!(is_right, wrong == *password, "{text}: {wrong:?}");
        }
    }
}

#[test]
fn of_a_password_1024_bytes_are_hashed_and_a_longer_one_is_wrong() {
    let longest = vec![b'x'; 1_024];
    let longer = vec![b'x'; 1_025];
    // bcrypt itself would take the first 72 bytes for the whole.
    let made = [
        HashedPassword::new(&longest).unwrap().to_string(),
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.D7RDOYXakZhsFmh/LdqQNx0kQ424AFS".to_owned(),
    ];
    for text in made {
        let hash = HashedPassword::parse(&text).unwrap();
        assert!(hash.verify(&longest).unwrap(), "{text}");
        assert!(!hash.verify(&longer).unwrap(), "{text}");
    }
}

/// Hashes that cost too much, and what is said of them.
const DEAR: &[(&str, &str)] = &[
    (
        "$argon2id$v=19$m=1048577,t=1,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "m of at most 1048576",
    ),
    (
        "$argon2id$v=19$m=19456,t=216,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "m times t",
    ),
    (
        "$5$rounds=500001$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "500000 rounds",
    ),
    (
        "$6$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "500000 rounds",
    ),
    (
        "$2b$15$abcdefghijklmnopqrstuuF7X2r4Gy9s1eB0fT2m3gZyGvVb1Gxxe",
        "cost of at most 14",
    ),
    (
        "$2y$31$abcdefghijklmnopqrstuuF7X2r4Gy9s1eB0fT2m3gZyGvVb1Gxxe",
        "cost of at most 14",
    ),
    (
        "$y$jET$abcdefghijklmnopqrstu.$qLgwbek6p1dxwznGdWTDFWYKrR3hhRvPKG13haoB.62",
        "256 MiB",
    ),
];

#[test]
fn a_hash_that_costs_too_much_is_a_mistake_at_its_line() {
    let place = Place::new();
    for (text, bound) in DEAR {
        let Err(refused @ Refused::TooDear(_)) = HashedPassword::parse(text) else {
            panic!("{text}");
        };
        assert!(refused.to_string().contains(bound), "{text}: {refused}");
        let toml = format!("[[user]]\nname = \"a\"\nhome = \"home\"\npassword = \"{text}\"\n");
        let said = place.stop(toml.as_bytes(), &[]).text;
        assert_eq!(said, format!("error: wharf.toml:4:12: {refused}\n"));
    }
}

#[test]
fn what_is_dear_but_not_too_dear_is_a_hash() {
    for text in [
        "$argon2id$v=19$m=1048576,t=4,p=1$aILXgtgKjfiK/g6uX5J6hw$pA+rUJYE+K8Tltg7/2YduCKc6IYOPRjpmbySidVGpOw",
        "$5$rounds=500000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$2b$14$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy",
        "$y$jDT$abcdefghijklmnopqrstu.$qLgwbek6p1dxwznGdWTDFWYKrR3hhRvPKG13haoB.62",
    ] {
        assert!(HashedPassword::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_cut_short_or_goes_on_is_no_hash() {
    let texts = KNOWN.iter().map(|(_, text)| *text).chain([SECRET]);
    for text in texts.filter(|text| !text.starts_with("$argon2id")) {
        for wrong in [
            text[..text.len() - 1].to_owned(),
            format!("{text}."),
            format!("{text}$"),
            format!("{text}$more"),
            text.replacen('$', "", 1),
            text.replace("rounds=", "rounds=x"),
            text.replace("$saltstring$", "$$"),
            text.replacen("j75", "j7", 1).replacen("j75", "/75", 1),
        ] {
            let parsed = HashedPassword::parse(&wrong);
            assert!(
                wrong == *text || parsed == Err(Refused::NotAHash),
                "{wrong}"
            );
        }
    }
}

proptest! {
    /// Nothing that stands in a file makes the program fail, and what counts as a hash can be checked.
    #[test]
    fn any_text_is_refused_or_can_be_checked(
        scheme in prop::sample::select(vec!["5", "6", "2a", "2b", "2y", "y", "argon2id", "1"]),
        // The cheapest each, or something else.
        parameters in prop::sample::select(vec!["", "rounds=1000$", "04$", "j75$", "j7$", "/75$", "jz.....z$", "rounds=$"]),
        salt in "[./0-9A-Za-z]{0,22}",
        hash in "[./0-9A-Za-z$]{0,90}",
    ) {
        let text = format!("${scheme}${parameters}{salt}${hash}");
        if let Ok(parsed) = HashedPassword::parse(&text) {
            prop_assert!(parsed.verify(b"password").is_ok(), "{}", text);
        }
    }
}
