//! Derivative rules are exactly adjoint over the rationals: per op, and for
//! random graphs with seeds on all values.
//!
//! `COTANGENT_GRAPHS` and `COTANGENT_SEED` choose how many graphs and which.

use cotangent::fuzzing::adjoint::{Adjointness, adjoint, draw, draw_row};
use cotangent::fuzzing::{Coverage, Rng};
use cotangent::ops::{self, Rule};
use std::env;

/// Numbers drawn for each op.
const PER_OP: u64 = 40;

fn number(name: &str, otherwise: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => otherwise,
    }
}

#[test]
fn every_exact_op_is_adjoint() {
    let mut rows = 0;
    for row in ops::table().filter(|row| row.exact) {
        rows += 1;
        let mut rng = Rng::keyed(number("COTANGENT_SEED", 1), &[rows]);
        let mut held = 0;
        for _ in 0..PER_OP {
            let (drafted, inputs) =
                draw_row(row, &mut rng).unwrap_or_else(|| panic!("{} is not drawn", row.name));
            match adjoint(&drafted.graph, inputs, &mut rng) {
                Adjointness::Holds => held += 1,
                Adjointness::Skipped => {}
                other => panic!("{}: {other}\n{}", row.name, drafted.graph),
            }
        }
        assert!(held * 2 > PER_OP, "{}: only {held} of {PER_OP} could be compared", row.name);
    }
    println!("adjoint: {rows} ops, {PER_OP} graphs each, 0 broken");
}

#[test]
fn random_graphs_are_adjoint() {
    let (graphs, seed) = (number("COTANGENT_GRAPHS", 500), number("COTANGENT_SEED", 1));
    let (mut skipped, mut broken, mut refused) = (0, 0, 0);
    let mut coverage = Coverage::default();
    for i in 0..graphs {
        let mut rng = Rng::new(seed.wrapping_add(i));
        let Some((drafted, inputs)) = draw(&mut rng) else {
            refused += 1;
            continue;
        };
        match adjoint(&drafted.graph, inputs, &mut rng) {
            Adjointness::Holds => coverage.add(&drafted.graph),
            Adjointness::Skipped => skipped += 1,
            Adjointness::Refused(why) => {
                refused += 1;
                println!("seed {}: {why}\n{}", seed.wrapping_add(i), drafted.graph);
            }
            other => {
                broken += 1;
                println!("seed {}: {other}\n{}", seed.wrapping_add(i), drafted.graph);
            }
        }
    }
    let exact = ops::table().filter(|row| row.exact);
    let (with_rules, without): (Vec<_>, Vec<_>) = exact.partition(|row| matches!(row.vjp, Rule::By(_)));
    let missing = coverage.missing();
    let met = with_rules.iter().filter(|row| !missing.contains(&row.name)).count();
    println!(
        "adjoint: {graphs} graphs (seed {seed}, median {} nodes), {broken} broken, {refused} refused, {skipped} \
         skipped for their size, ops with rules {met}/{} (and {} without derivative)",
        coverage.median_nodes(),
        with_rules.len(),
        without.len(),
    );
    assert_eq!((broken, refused), (0, 0));
    assert!(skipped * 20 <= graphs, "too many graphs are skipped");
    if graphs >= 500 {
        assert_eq!(met, with_rules.len(), "not covered: {missing:?}");
    }
}
