//! No function is off by a unit in the last place, against references to some 100 bits.
//! `examples/accuracy.rs` measures the same at more points.

mod dd;
mod gamma;
mod measure;
mod reference;

use measure::{Draws, FUNCTIONS};

/// Few points, of which the example has many.
const POINTS: usize = 20_000;

#[test]
fn below_one_unit() {
    for f in FUNCTIONS {
        let [wide, narrow] = f.worst(POINTS, &mut Draws(1));
        println!(
            "{:>12} {:.4} at {:?}, f32 {:.4} at {:?}",
            f.name, wide.error, wide.at, narrow.error, narrow.at
        );
        assert!(wide.error < 1.0, "{} is off by {} at {:?}", f.name, wide.error, wide.at);
        // Evaluated in f64 and rounded once.
        assert!(narrow.error < 0.500_001, "{}_f32 is off by {} at {:?}", f.name, narrow.error, narrow.at);
    }
}

/// The references, where rounding is hard: half a unit and no more.
#[test]
fn references_at_hard_points() {
    let half = 0.5 + 1e-9;
    let mut checked = 0;
    for line in include_str!("../data/core_math.csv").lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split(',');
        let name = fields.next().unwrap();
        let values: Vec<f64> = fields.map(|f| f64::from_bits(u64::from_str_radix(f, 16).unwrap())).collect();
        let (want, x) = values.split_last().unwrap();
        let Some(f) = FUNCTIONS.iter().find(|f| f.name == name) else { continue };
        let Some(reference) = f.at(x) else { continue };
        let error = dd::ulps(*want, reference);
        assert!(error <= half, "{name} of {x:?}: {error}");
        checked += 1;
    }
    assert!(checked > 3900, "{checked}");
}
