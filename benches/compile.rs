//! Compile time of random scalar graphs, dense forward and reverse, and of the Rosenbrock
//! function of 10,000 variables as scalars, value and gradient, with a call of it; both tiers.

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

fn straight_line(c: &mut Criterion) {
    const N: usize = 10_000;
    let graph = dag::rosenbrock(N);
    let mut group = c.benchmark_group("rosenbrock_scalars");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for (tier, name) in [(Tier::Fast, "fast"), (Tier::Full, "full")] {
        let options = Options::default().forms(Forms::VALUE_AND_GRAD).tier(tier);
        let compile = || Program::compile(&graph, &options).expect("a machine with a code generator");
        group.bench_function(BenchmarkId::new("compile", name), |b| b.iter_with_large_drop(compile));
        let program = compile();
        let mut workspace = program.workspace();
        let (x, mut gradient) = (vec![0.5; N], vec![0.0; N]);
        group.bench_function(BenchmarkId::new("call", name), |b| {
            b.iter(|| program.value_and_grad(&mut workspace, &[(&x).into()], &mut [(&mut gradient).into()]));
        });
    }
    group.finish();
}

criterion_group!(benches, compile, straight_line);
criterion_main!(benches);
