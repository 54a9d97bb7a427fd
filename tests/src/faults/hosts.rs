//! [`Network`] and [`Cable`]: hosts that vanish with the case that made them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Config, Program, Server};

/// A host with a network of its own.
pub(super) struct Network {
    /// Lives in the network and ends with its standard input: when this is dropped, or the whole
    /// test is killed, nothing holds the network any more.
    holder: Child,
}

impl Network {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        // Once it answers, it is where it shall be.
        let input = holder.stdin.as_mut().expect("a pipe");
        input.write_all(b"ready\n").expect("to ask");
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut().expect("a pipe"))
            .read_line(&mut said)
            .expect("an answer");
        assert_eq!(said, "ready\n");
        let network = Self { holder };
        network.run("ip link set lo up");
        network
    }

    /// Does something in a thread of this host: its sockets and processes stay there.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let name = format!("/proc/{}/ns/net", self.holder.id());
        let network = File::open(name).expect("a network");
        let act = move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("to enter the network");
            act()
        };
        thread::scope(|scope| {
            scope
                .spawn(act)
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Runs a command on this host.
    pub(super) fn run(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let output = self.inside(|| {
            Command::new(words[0])
                .args(&words[1..])
                .output()
                .expect("the command starts")
        });
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {text}");
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let Some(mut line) = self.line.take() {
            let _ = line.kill();
            let _ = line.wait();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Where servers are.
pub(super) const SERVER: &str = "10.99.0.1";
/// Where clients are.
pub(super) const CLIENT: &str = "10.99.0.2";

/// What carries packets over a bad line.
const LINE: &str = include_str!("line.py");

/// The host of a server and that of its clients, with a cable between them.
pub(super) struct Cable {
    pub(super) server: Network,
    pub(super) client: Network,
    /// What is between them in place of a cable.
    line: Option<Child>,
}

impl Cable {
    pub(super) fn new() -> Self {
        let (server, client) = (Network::new(), Network::new());
        let there = client.holder.id();
        server.run(&format!(
            "ip link add cable type veth peer name cable netns {there}"
        ));
        let cable = Self {
            server,
            client,
            line: None,
        };
        cable.connect(["cable", "cable"]);
        cable
    }

    /// A long line on which packets come late, in another order, or never.
    pub(super) fn bad() -> Self {
        let (server, client) = (Network::new(), Network::new());
        let mut line = server.inside(|| {
            Command::new("python3")
                .args(["-c", LINE, "42"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3 starts")
        });
        let mut said = String::new();
        BufReader::new(line.stdout.as_mut().expect("a pipe"))
            .read_line(&mut said)
            .expect("an answer");
        assert_eq!(said, "ready\n");
        server.run(&format!("ip link set line1 netns {}", client.holder.id()));
        let cable = Self {
            server,
            client,
            line: Some(line),
        };
        cable.connect(["line0", "line1"]);
        cable
    }

    fn connect(&self, [here, there]: [&str; 2]) {
        let ends = [(&self.server, SERVER, here), (&self.client, CLIENT, there)];
        for (host, address, device) in ends {
            host.run(&format!("ip address add {address}/24 dev {device}"));
            host.run(&format!("ip link set {device} up"));
        }
    }

    /// Breaks a bad line; how many packets of how many were lost.
    pub(super) fn lost(&mut self) -> (u64, u64) {
        let line = self.line.take().expect("a bad line");
        let output = line.wait_with_output().expect("the end of the line");
        let said = String::from_utf8_lossy(&output.stdout);
        let (lost, all) = said.trim().split_once(' ').expect("two numbers");
        (
            lost.parse().expect("a number"),
            all.parse().expect("a number"),
        )
    }

    /// Starts a server on its host.
    pub(super) fn start(&self, program: &Program, config: Config) -> Server {
        let address = format!("{SERVER}:0");
        self.server
            .inside(|| program.start(config.listen(&[&address])))
    }

    /// Lets nothing through any more, without a word to anybody.
    pub(super) fn cut(&self) {
        for chain in ["INPUT", "OUTPUT"] {
            self.client.run(&format!("iptables -A {chain} -j DROP"));
        }
    }

    /// Lets everything through again.
    pub(super) fn mend(&self) {
        self.client.run("iptables -F");
    }
}
