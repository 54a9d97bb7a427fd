//! [`Seaweed`]: a SeaweedFS in one process.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::keeper::{Keeper, ask, free_ports};
use crate::{KEY_ID, ROLE, SECRET, program, skip};

/// How long it may take to start. It takes three seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A SeaweedFS in one process. It ends when this is dropped, and with the process in any case.
pub struct Seaweed {
    keeper: Keeper,
    s3: u16,
    filer: u16,
}

impl Seaweed {
    /// Starts one; `None` if it is not installed.
    ///
    /// # Panics
    /// If it is not installed but has to be.
    ///
    /// # Errors
    /// Its log, if it does not start.
    pub fn start() -> Result<Option<Self>, String> {
        let Some(weed) = program("weed", "seaweedfs/bin/weed") else {
            skip("weed is not installed");
            return Ok(None);
        };
        // Somebody else may have taken one of its ports.
        let started = Self::try_start(&weed).or_else(|_| Self::try_start(&weed));
        started.map(Some)
    }

    /// Starts one on free ports, or returns its log.
    fn try_start(weed: &Path) -> Result<Self, String> {
        let folder = TempDir::with_prefix("wharf-seaweed-")
            .expect("a directory")
            .keep();
        fs::write(folder.join("s3.json"), identities()).expect("a file");
        fs::write(folder.join("roles.json"), roles()).expect("a file");
        // One volume is enough for each bucket.
        fs::write(
            folder.join("master.toml"),
            "[master.volume_growth]\ncopy_1 = 1\n",
        )
        .expect("a file");
        let [master, volume, filer, s3, more @ ..] = free_ports::<8>();
        let mut arguments: Vec<String> = [
            "server",
            "-dir=.",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
        ]
        .map(str::to_owned)
        .into();
        for (option, port) in [
            ("master.port", master),
            ("volume.port", volume),
            ("filer.port", filer),
            ("s3.port", s3),
            ("master.port.grpc", more[0]),
            ("volume.port.grpc", more[1]),
            ("filer.port.grpc", more[2]),
            ("s3.port.grpc", more[3]),
            ("s3.port.iceberg", 0),
            ("s3.port.lance", 0),
        ] {
            arguments.push(format!("-{option}={port}"));
        }
        let others = [
            "-s3.config=s3.json",
            "-s3.iam.config=roles.json",
            "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock",
            // It would make every bucket that a test only names.
            "-s3.autoCreateBucket=false",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=0",
        ];
        arguments.extend(others.map(str::to_owned));
        let keeper = Keeper::start(&folder, weed, &arguments);
        let mut server = Self { keeper, s3, filer };
        match server.wait_until_it_answers() {
            true => Ok(server),
            false => Err(server.keeper.log()),
        }
    }

    fn wait_until_it_answers(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if !self.keeper.runs() {
                return false;
            }
            // To store something takes all of its parts.
            let stores = ask("PUT", self.filer, "/ready", "x");
            let serves = ask("GET", self.s3, "/", "");
            if matches!((stores, serves), (Ok(201), Ok(403))) {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Returns the URL at which it speaks S3, in any region.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.s3)
    }

    /// Returns where it keeps what it stores, and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// Makes a new bucket and returns its name.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn new_bucket(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let status = ask("POST", self.filer, &format!("/buckets/{name}/"), "");
        assert_eq!(status.expect("an answer"), 201, "{name}");
        name
    }
}

pub(crate) fn identities() -> String {
    let actions = r#"["Admin", "Read", "Write", "List", "Tagging"]"#;
    format!(
        r#"{{"identities": [{{"name": "tests", "credentials": [{{"accessKey": "{KEY_ID}", "secretKey": "{SECRET}"}}], "actions": {actions}}}]}}"#
    )
}

fn roles() -> String {
    // The key of its tokens is base64.
    let sts = r#"{"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "tests", "signingKey": "dGVzdC1zaWduaW5nLWtleS0zMi1jaGFyYWN0ZXJzLWxvbmc="}"#;
    let allow = |what: &str| {
        format!(r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", {what}}}]}}"#)
    };
    let policy = allow(r#""Action": ["s3:*"], "Resource": ["*"]"#);
    let trust = allow(r#""Principal": "*", "Action": ["sts:AssumeRole"]"#);
    format!(
        r#"{{"sts": {sts}, "policies": [{{"name": "all", "document": {policy}}}],
        "roles": [{{"roleName": "Tests", "roleArn": "{ROLE}", "trustPolicy": {trust}, "attachedPolicies": ["all"]}}]}}"#
    )
}
