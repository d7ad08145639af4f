//! Random graphs: compiled code and tape agree bit for bit, in every form.
//!
//! `COTANGENT_GRAPHS` and `COTANGENT_SEED` choose how many and which. With
//! `COTANGENT_STOP` the first difference ends the run, shown as it was found.
//! `COTANGENT_STATE` names a file that keeps the counts every 1,000 graphs, so
//! that a long run can be continued.
#![cfg(feature = "jit")]

mod found;

use cotangent::fuzzing::{Campaign, Rng, Source, Target};
use std::env;
use std::fs;
use std::time::{Duration, Instant};

/// Graphs from which on every row must have been met.
const ENOUGH: u64 = 1000;
/// Graphs between two notes in the state file.
const NOTE: u64 = 1000;
/// Failures that are shown in full.
const SHOWN: u64 = 5;

fn number(name: &str, otherwise: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => otherwise,
    }
}

#[test]
fn tape_and_code_agree_bit_for_bit() {
    let (graphs, seed) = (number("COTANGENT_GRAPHS", 300), number("COTANGENT_SEED", 1));
    let (state, stop) = (env::var("COTANGENT_STATE").ok(), env::var_os("COTANGENT_STOP").is_some());
    let kept = state.as_ref().and_then(|path| fs::read_to_string(path).ok());
    let mut campaign = match kept {
        Some(text) => Campaign::load(&text).expect("COTANGENT_STATE names no state of a differential run"),
        None => Campaign::new(seed),
    };
    while campaign.graphs < graphs {
        match campaign.step() {
            Some(found) if stop => {
                println!("{found}");
                break;
            }
            Some(found) if campaign.differences <= SHOWN => println!("{}", found.shrink()),
            _ => {}
        }
        if let Some(path) = &state
            && (campaign.graphs % NOTE == 0 || campaign.graphs == graphs)
        {
            fs::write(path, campaign.save()).expect("COTANGENT_STATE cannot be written");
        }
    }
    println!("{campaign}\ndigest of the differential: {}", campaign.compared.digest);
    assert_eq!(campaign.differences, 0, "tape and compiled code differ");
    if campaign.graphs >= ENOUGH {
        assert!(campaign.coverage.missing().is_empty(), "not covered: {:?}", campaign.coverage.missing());
    }
    if campaign.graphs >= 100 {
        assert!(campaign.coverage.median_nodes() >= 20, "graphs are too small");
        assert!(campaign.invalid * 20 <= campaign.graphs, "too many graphs cannot be evaluated");
    }
}

/// Small graphs differentiated by rules applied to graphs, in random modes, up to
/// third derivatives: `COTANGENT_ORDERS` says how many.
#[test]
fn third_derivatives_agree_bit_for_bit() {
    let mut campaign = Campaign::new(number("COTANGENT_SEED", 1));
    while campaign.graphs < number("COTANGENT_ORDERS", 200) {
        if let Some(found) = campaign.step_orders() {
            println!("{found}\n{}", found.case.graph());
        }
    }
    println!("third derivatives: {campaign}\ndigest of third derivatives: {}", campaign.compared.digest);
    assert_eq!(campaign.differences, 0, "tape and compiled code differ");
    assert!(campaign.invalid * 20 <= campaign.graphs, "too many graphs cannot be evaluated");
}

/// A fuzz target on pseudo-random bytes for a second.
fn smoke(name: &str, body: fn(&mut Target, &[u8])) -> Target {
    let mut rng = Rng::new(number("COTANGENT_SEED", 1));
    let mut target = Target::default();
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let bytes: Vec<u8> = (0..rng.below(4096)).map(|_| rng.bits() as u8).collect();
        body(&mut target, &bytes);
    }
    println!("fuzz {name}: {target}");
    target
}

#[test]
fn differential_target_runs() {
    let target = smoke("differential", Target::differential);
    assert!(target.valid * 10 >= target.runs * 9);
}

#[test]
fn parse_target_runs() {
    let target = smoke("parse", Target::parse);
    assert!(target.valid > 0);
}

#[test]
fn compile_target_runs() {
    let target = smoke("compile", Target::compile);
    assert!(target.valid > 0);
}
