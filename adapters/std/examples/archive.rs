//! A read-only archive for everybody, in thirty lines: `cargo run --example archive -- DIR`.

use std::path::Path;
use std::sync::Arc;

use wharf_local::{Local, LocalOptions};
use wharf_std::wharf_core::{Denied, Grant, Rights};
use wharf_std::wharf_storage::{Account, Accounts, Credentials, Storage};
use wharf_std::{Service, Settings, sockets};

/// Lets everybody in, whatever the password.
struct Everybody(Arc<Local>);

impl Accounts for Everybody {
    fn login(&self, _: &Credentials<'_>) -> Result<Account, Denied> {
        let (rights, capabilities) = (Rights::LIST | Rights::READ, self.0.capabilities());
        let grant = Grant::new(rights, capabilities);
        Ok(Account {
            grant,
            storage: Arc::<Local>::clone(&self.0),
            demands_tls: false,
            seats: None,
        })
    }
}

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let storage = Local::open(Path::new(&folder), b"everybody", LocalOptions::default())?;
    let service = Service::new(Settings::new(Arc::new(Everybody(Arc::new(storage)))));
    let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
    println!("serving {folder} on {}", listener.local_addr()?);
    wharf_std::serve(vec![listener], &service)
}
