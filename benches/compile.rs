//! Compile time of random scalar graphs, dense forward and reverse, both tiers.

mod common;

use common::dag;
use cotangent::{Forms, Options, Program, Tier};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile_dense");
    for ops in [1_000, 100_000] {
        let graph = dag::random(ops);
        group.throughput(Throughput::Elements(ops as u64));
        if ops > 10_000 {
            group.sample_size(10).measurement_time(Duration::from_secs(20));
        }
        for (tier, name) in [(Tier::Fast, "fast"), (Tier::Full, "full")] {
            let options = Options::default().forms(Forms::DENSE).tier(tier);
            group.bench_with_input(BenchmarkId::new(name, ops), &graph, |b, graph| {
                b.iter_with_large_drop(|| {
                    Program::compile(graph, &options).expect("a machine with a code generator")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, compile);
criterion_main!(benches);
