//! The workloads of `examples/peers` on numbers made here: value and gradient at both tiers and
//! on the tape. The largest are left out: a tenth of a second a call on the tape, or seconds to compile.

mod common;
#[path = "../examples/peers/workloads/mod.rs"]
mod workloads;

use common::Lcg;
use cotangent::Tier;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::time::Duration;
use workloads::{Bench, Data, Engine, Failure, Made, Meter};

/// Prefixes of the workloads that are run.
const ROWS: &[&str] =
    &["w1", "w2_d2k5", "w3_zach", "w5_mlp_b1", "w5_mlp_b32", "w5_tiny", "w6_1e5", "w7_hlr", "w8_tf"];

/// Criterion times a call.
struct Sampled<'c> {
    criterion: &'c mut Criterion,
    engine: &'static str,
}

impl Meter for Sampled<'_> {
    type Timing = ();

    fn time(&mut self, name: &str, mut call: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        call()?;
        let mut group = self.criterion.benchmark_group(name);
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        group.bench_function(BenchmarkId::from_parameter(self.engine), |b| b.iter(&mut call));
        group.finish();
        Ok(())
    }

    fn report(&mut self, name: &str, (): (), result: &[f64], made: &Made) -> Result<(), Failure> {
        println!("{name}: {:.2} ms to prepare; {}", made.ms, made.note);
        match result.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(format!("{name}: a result that is not finite").into()),
        }
    }
}

fn peers(c: &mut Criterion) {
    let engines = [
        (Engine::Compiled(Tier::Full), "full"),
        (Engine::Compiled(Tier::Fast), "fast"),
        (Engine::Tape, "tape"),
    ];
    for (engine, name) in engines {
        let meter = Sampled { criterion: &mut *c, engine: name };
        let only = ROWS.iter().map(|&row| row.to_owned()).collect();
        let mut bench = Bench { data: Data::Made(numbers()), only, engine, meter };
        workloads::run(&mut bench).expect("workloads that fit their data");
    }
}

/// Inputs in the layout of the files, of the sizes that other engines are timed at.
fn numbers() -> BTreeMap<String, Vec<u8>> {
    let mut random = Lcg::new(1);
    let mut all = BTreeMap::new();
    let mut doubles = |name: &str, numbers: Vec<f64>| {
        all.insert(name.to_owned(), numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    };
    for n in [2, 10, 100, 1000, 10_000] {
        doubles(&format!("w1_n{n}"), random.numbers(n));
    }
    // A mixture of five components in the plane, 1,000 points, and its prior.
    doubles("w2_d2k5", [random.numbers(5 * 6 + 1000 * 2), vec![1.0, 0.0]].concat());
    doubles("w3_par", random.numbers(10_000 * 15));
    doubles("w5t", random.numbers(337 + 3));
    let n = 100_000;
    let mut between = |low: f64, high: f64| -> Vec<f64> {
        random.numbers(n).into_iter().map(|x| low + (high - low) * (x + 1.0) / 2.0).collect()
    };
    let options = [
        between(80.0, 120.0),
        between(80.0, 120.0),
        between(0.0, 0.06),
        between(0.1, 0.5),
        between(0.25, 2.0),
    ];
    doubles("w6", options.concat());
    doubles("w7_x", random.numbers(1000 * 10));
    doubles("w7_y", (0..1000).map(|_| random.below(2) as f64).collect());
    doubles("w7_theta", random.numbers(10 + 2 + 50));
    let mut integers = |name: &str, n: usize, below: usize| {
        let drawn = (0..n).flat_map(|_| (random.below(below) as i32).to_le_bytes());
        all.insert(name.to_owned(), drawn.collect());
    };
    integers("w7_g", 1000, 50);
    integers("w5_y", 256, 10);
    let mut singles = |name: &str, n: usize, scale: f64| {
        let numbers = random.numbers(n).into_iter().flat_map(|x| ((x * scale) as f32).to_le_bytes());
        all.insert(name.to_owned(), numbers.collect());
    };
    singles("w5_par", 784 * 128 + 128 + 128 * 10 + 10, 0.05);
    singles("w5_x", 256 * 784, 1.0);
    singles("w8_par", 12 * 64 * 64 + 9 * 64, 0.2);
    singles("w8_x", 32 * 64, 1.0);
    singles("w8_t", 32 * 64, 0.05);
    all
}

criterion_group!(benches, peers);
criterion_main!(benches);
