//! [`Cluster`]: a SeaweedFS of many processes, of which one may be lost.

use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::keeper::{Keeper, ask, free_ports};
use crate::seaweed::identities;
use crate::{program, skip};

/// How long it may take to start. It takes a quarter of a minute.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many masters and servers of volumes.
const NODES: usize = 3;
/// So many servers of names, each with one that speaks S3.
const GATEWAYS: usize = 2;

/// Three masters, three servers of volumes, two of names, and two that speak S3. All bytes lie on two servers of
/// volumes. It ends when this is dropped, and with the process in any case.
#[derive(Debug)]
pub struct Cluster {
    volumes: Vec<Keeper>,
    /// The last one removes the folder of all.
    servers: Vec<Keeper>,
    filers: [u16; GATEWAYS],
    gateways: [u16; GATEWAYS],
}

impl Cluster {
    /// Starts one; `None` if SeaweedFS is not installed.
    ///
    /// # Panics
    /// If it is not installed but has to be.
    ///
    /// # Errors
    /// The logs, if it does not start.
    pub fn start() -> Result<Option<Self>, String> {
        let Some(weed) = program("weed", "seaweedfs/bin/weed") else {
            skip("weed is not installed");
            return Ok(None);
        };
        let folder = TempDir::with_prefix("wharf-cluster-").expect("a directory");
        let folder = folder.keep();
        let config = folder.join("s3.json");
        std::fs::write(&config, identities()).expect("a file");
        let ports = free_ports::<{ 4 * NODES + 4 * GATEWAYS }>();
        let (masters, rest) = ports.split_at(2 * NODES);
        let (volumes, rest) = rest.split_at(2 * NODES);
        let (filers, gateways) = rest.split_at(2 * GATEWAYS);
        let address = |ports: &[u16]| format!("127.0.0.1:{}.{}", ports[0], ports[1]);
        let peers: Vec<_> = masters.chunks(2).map(address).collect();
        let peers = peers.join(",");
        let start = |kind: &str, ports: &[u16], more: &[String]| {
            let own = [
                kind.to_owned(),
                "-ip.bind=127.0.0.1".into(),
                format!("-port={}", ports[0]),
                format!("-port.grpc={}", ports[1]),
            ];
            let arguments = [&own[..], more].concat();
            let folder = match ports == &masters[..2] {
                true => folder.clone(),
                false => folder.join(format!("{kind}-{}", ports[0])),
            };
            Keeper::start(&folder, &weed, &arguments)
        };
        let own = "-ip=127.0.0.1".to_owned();
        let master = format!("-master={peers}");
        let mut servers = Vec::new();
        for ports in masters.chunks(2) {
            let more = [
                own.clone(),
                "-telemetry=false".into(),
                "-mdir=.".into(),
                format!("-peers={peers}"),
                "-defaultReplication=001".into(),
                "-volumeSizeLimitMB=128".into(),
            ];
            servers.push(start("master", ports, &more));
        }
        let store = |ports| {
            let more = [
                own.clone(),
                "-dir=.".into(),
                "-max=30".into(),
                master.clone(),
            ];
            start("volume", ports, &more)
        };
        let volumes = volumes.chunks(2).map(store).collect();
        for ports in filers.chunks(2) {
            let more = [own.clone(), "-defaultStoreDir=.".into(), master.clone()];
            servers.push(start("filer", ports, &more));
        }
        for (ports, filer) in gateways.chunks(2).zip(filers.chunks(2)) {
            let more = [
                format!("-filer={}", address(filer)),
                format!("-config={}", config.display()),
                "-port.iceberg=0".into(),
                "-port.lance=0".into(),
            ];
            servers.push(start("s3", ports, &more));
        }
        servers.rotate_left(1);
        let mut cluster = Self {
            servers,
            volumes,
            filers: [filers[0], filers[2]],
            gateways: [gateways[0], gateways[2]],
        };
        match cluster.wait_until_it_answers() {
            true => Ok(Some(cluster)),
            false => {
                let all = cluster.servers.iter().chain(&cluster.volumes);
                Err(all.map(Keeper::log).collect())
            }
        }
    }

    fn wait_until_it_answers(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut all = self.servers.iter_mut().chain(&mut self.volumes);
            if !all.all(Keeper::runs) {
                return false;
            }
            let answers = |(filer, gateway): (&u16, &u16)| {
                // To store something takes two servers of volumes.
                let stores = ask("PUT", *filer, "/ready", "x");
                let serves = ask("GET", *gateway, "/", "");
                matches!((stores, serves), (Ok(201), Ok(403)))
            };
            if self.filers.iter().zip(&self.gateways).all(answers) {
                return true;
            }
            thread::sleep(Duration::from_millis(200));
        }
        false
    }

    /// Returns the URLs at which it speaks S3.
    #[must_use]
    pub fn endpoints(&self) -> [String; GATEWAYS] {
        self.gateways.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Makes a bucket of that name.
    ///
    /// # Panics
    /// If that fails.
    pub fn make_bucket(&self, name: &str) {
        let status = ask("POST", self.filers[0], &format!("/buckets/{name}/"), "");
        assert_eq!(status.expect("an answer"), 201, "{name}");
    }

    /// Kills one of the servers on which bytes lie, and loses those.
    pub fn lose_a_node(&mut self) {
        self.volumes.pop();
    }
}
