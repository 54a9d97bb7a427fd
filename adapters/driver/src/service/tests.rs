//! What sessions share: how many there may be, and the word to stop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Permit, Service};
use crate::Settings;
use wharf_storage::Nobody;

fn service(sessions: usize, sessions_per_address: usize) -> Arc<Service> {
    Service::new(Settings {
        sessions,
        sessions_per_address,
        ..Settings::new(Arc::new(Nobody))
    })
}

#[test]
fn a_server_may_wait_for_transfers_for_ever() {
    let service = Service::new(Settings {
        grace: Duration::MAX,
        ..Settings::new(Arc::new(Nobody))
    });
    assert_eq!(service.drain_time(), Duration::MAX);
}

fn peer(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 4000)
}

#[test]
fn no_more_are_admitted_than_may_be_in_total() {
    let service = service(3, 2);
    let permits: Vec<Permit> = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        .into_iter()
        .map(|address| service.permit(peer(address)).unwrap())
        .collect();
    assert_eq!(service.sessions(), 3);
    assert!(service.permit(peer("192.0.2.3")).is_err());
    assert_eq!(service.sessions(), 3);
    drop(permits);
    assert_eq!(service.sessions(), 0);
    assert!(service.permit(peer("192.0.2.3")).is_ok());
}

#[test]
fn no_more_are_admitted_than_may_be_from_one_address() {
    let service = service(100, 2);
    let first = service.permit(peer("192.0.2.1")).unwrap();
    assert!(Arc::ptr_eq(first.service(), &service));
    // The same address as a socket of both families shows it.
    let _second = service.permit(peer("::ffff:192.0.2.1")).unwrap();
    assert!(service.permit(peer("192.0.2.1")).is_err());
    assert!(service.permit(peer("::ffff:192.0.2.1")).is_err());
    let _other = service.permit(peer("192.0.2.2")).unwrap();
    drop(first);
    let _again = service.permit(peer("::ffff:192.0.2.1")).unwrap();
    assert!(service.permit(peer("192.0.2.1")).is_err());
    assert_eq!(service.sessions(), 3);
}

#[test]
fn a_network_of_ipv6_counts_as_one_address_and_an_exempt_one_not_at_all() {
    let service = Service::new(Settings {
        sessions_per_address: 2,
        back_off_exempt: vec!["2001:db8:7::/48".parse().unwrap()],
        ..Settings::new(Arc::new(Nobody))
    });
    let admit = |address: &str| service.permit(peer(address));
    let _both = ["2001:db8::1", "2001:db8::2"].map(|address| admit(address).unwrap());
    assert!(admit("2001:db8::3").is_err());
    let _other = admit("2001:db8:0:1::1").unwrap();
    let _exempt = [1, 2, 3, 4].map(|last| admit(&format!("2001:db8:7::{last}")).unwrap());
}

#[test]
fn a_permit_returns_even_if_its_thread_panics() {
    let service = service(1, 1);
    let permit = service.permit(peer("192.0.2.1")).unwrap();
    let panicked = thread::spawn(move || {
        let _permit = permit;
        // Without the noise of a panic.
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panicked.join().is_err());
    assert!(service.permit(peer("192.0.2.1")).is_ok());
}

#[test]
fn many_threads_never_exceed_the_number() {
    let service = service(3, 3);
    let present = AtomicUsize::new(0);
    let admitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..500 {
                    if let Ok(permit) = service.permit(peer("192.0.2.1")) {
                        assert!(present.fetch_add(1, Ordering::SeqCst) < 3);
                        admitted.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        present.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }
            });
        }
    });
    assert!(admitted.into_inner() > 0);
    assert_eq!(service.sessions(), 0);
}

#[test]
fn everybody_is_told_once_that_the_server_stops() {
    let service = service(1, 1);
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::SeqCst);
        }
    };
    service.on_stop(tell());
    service.on_stop(tell());
    assert!(!service.is_stopping());
    assert_eq!(told.load(Ordering::SeqCst), 0);
    service.stop();
    assert!(service.is_stopping());
    assert_eq!(told.load(Ordering::SeqCst), 2);
    service.stop();
    assert_eq!(told.load(Ordering::SeqCst), 2);
    // Who asks too late is told at once.
    service.on_stop(tell());
    assert_eq!(told.load(Ordering::SeqCst), 3);
}

#[test]
fn nobody_is_forgotten_who_asks_while_the_server_stops() {
    for _ in 0..100 {
        let service = service(1, 1);
        let told = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| service.stop());
            let told = Arc::clone(&told);
            service.on_stop(move || {
                told.fetch_add(1, Ordering::SeqCst);
            });
        });
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
