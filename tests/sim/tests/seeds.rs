//! Seeds of the simulator: some thousands here, millions by its command line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wharf_sim::{Case, Fault, Outcome, Sabotage, run, run_adapter, run_bucket};

/// Either level.
type Run = fn(&Case, Option<&mut String>) -> Outcome;

/// What a run that must fail says.
fn failure(run: Run, case: &Case) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| run(case, None))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.or(Some(String::new()))
}

fn no_seed_fails(run: Run, seeds: u64) {
    for seed in 0..seeds {
        let case = Case::draw(seed);
        let outcome = run(&case, None);
        if seed % 64 == 0 {
            assert_eq!(run(&case, None), outcome, "{case}");
        }
    }
}

#[test]
fn no_seed_fails_and_each_is_the_same_twice() {
    no_seed_fails(run, 3_000);
}

#[test]
fn no_seed_of_the_adapter_fails_and_each_is_the_same_twice() {
    no_seed_fails(run_adapter, 500);
}

#[test]
fn no_seed_of_a_bucket_fails_and_each_is_the_same_twice() {
    no_seed_fails(run_bucket, 60);
}

/// Seeds that failed once.
#[test]
fn seeds_that_failed_do_not_fail_again() {
    for seed in [4, 5, 8, 67_278] {
        run(&Case::draw(seed), None);
    }
    run_adapter(&Case::draw(2_036_995).in_clear(), None);
    for seed in [151, 1_235] {
        run_bucket(&Case::draw(seed), None);
    }
}

#[test]
fn what_is_traced_is_a_conversation() {
    let mut trace = String::new();
    run(&Case::draw(1), Some(&mut trace));
    assert!(
        trace.contains("S: 220 Wharf ready.") && trace.contains("C: "),
        "{trace}"
    );
}

#[test]
fn control_connections_turn_and_data_is_secured() {
    for request in ["StartTls", "StopTls", "Secure"] {
        let happens = (0..200).any(|seed| {
            let mut trace = String::new();
            run(&Case::draw(seed), Some(&mut trace));
            trace.contains(&format!("A: {request}("))
        });
        assert!(happens, "no {request}");
    }
}

/// On both levels.
const SABOTAGES: [(Sabotage, &str); 6] = [
    (Sabotage::LosesUploads, "O2"),
    (Sabotage::KeepsAll, "O2"),
    (Sabotage::BendsDownloads, "O1"),
    (Sabotage::Leaks, "O4"),
    (Sabotage::Exaggerates, "O5"),
    (Sabotage::TakesClearLogins, "O11"),
];

#[test]
fn sessions_of_the_adapter_shake_hands() {
    let shakes = |seed| run_adapter(&Case::draw(seed), None).protected;
    let clear = |seed| run_adapter(&Case::draw(seed).in_clear(), None).protected;
    assert!((0..20).map(shakes).sum::<u64>() > 10);
    assert_eq!((0..20).map(clear).sum::<u64>(), 0);
}

fn every_sabotage_is_found(run: Run, sabotages: &[(Sabotage, &str)]) {
    for &(sabotage, oracle) in sabotages {
        let found = (0..500).find_map(|seed| {
            let mut case = Case::draw(seed);
            case.sabotage = Some(sabotage);
            failure(run, &case)
        });
        let found = found.unwrap_or_default();
        assert!(found.contains(oracle), "{sabotage:?} gives {found:?}");
    }
}

#[test]
fn every_sabotage_is_found_by_its_oracle() {
    every_sabotage_is_found(run, &SABOTAGES);
}

#[test]
fn every_sabotage_under_the_adapter_is_found_by_its_oracle() {
    every_sabotage_is_found(run_adapter, &SABOTAGES);
    let of_tls = [
        (Sabotage::TakesCuts, "O12"),
        (Sabotage::TakesStrangers, "O12"),
    ];
    every_sabotage_is_found(run_adapter, &of_tls);
    let of_slow_storages = [
        (Sabotage::ActsForTheGone, "O13"),
        (Sabotage::IgnoresCancel, "O14"),
        (Sabotage::LosesPatience, "O6: 426"),
        (Sabotage::KeepsPlaces, "O17"),
        (Sabotage::WaitsTooLong, "O18"),
    ];
    every_sabotage_is_found(run_adapter, &of_slow_storages);
}

#[test]
fn every_sabotage_of_a_bucket_is_found_by_its_oracle() {
    let sabotages = [
        (Sabotage::LosesUploads, "O2"),
        (Sabotage::KeepsAll, "O2"),
        (Sabotage::Strays, "O20"),
        (Sabotage::LeavesParts, "O21"),
        (Sabotage::KeepsTorn, "O22"),
    ];
    every_sabotage_is_found(run_bucket, &sabotages);
}

#[test]
fn a_case_says_how_to_run_it_again() {
    let case = Case::draw(7).without(Fault::Pieces);
    let said = case.to_string();
    assert!(said.starts_with("--seed 7"), "{said}");
    for simpler in case.simpler() {
        assert!(simpler.to_string().len() > "--seed 7".len(), "{simpler}");
    }
}
