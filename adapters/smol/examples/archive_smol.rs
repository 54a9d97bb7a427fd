//! A read-only archive for everybody, in twenty lines, on smol: `cargo run -p wharf-smol --example archive_smol -- DIR`.

use std::path::Path;
use std::sync::Arc;

use wharf_local::{Local, LocalOptions};
use wharf_smol::wharf_core::Rights;
use wharf_smol::wharf_storage::{Blocking, Everybody};
use wharf_smol::{Service, Settings, sockets};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let storage = Local::open(Path::new(&folder), b"everybody", LocalOptions::default())?;
    let everybody = Everybody::new(Blocking::new(storage), Rights::LIST | Rights::READ);
    let service = Service::new(Settings::new(Arc::new(everybody)));
    let listener = sockets::listen(([127, 0, 0, 1], 2121).into())?;
    println!("serving {folder} on {}", listener.local_addr()?);
    wharf_smol::serve(vec![listener], &service)
}
