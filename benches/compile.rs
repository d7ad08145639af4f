//! Compile time of random scalar graphs, dense forward and reverse, and of the Rosenbrock
//! function of 10,000 variables as scalars, value and gradient, with a call of it; both tiers, and rolled.
//! A hundred times as many operations show that the time is linear; what a cache takes to find a program.

mod common;

use common::dag;
use cotangent::{Forms, Options, Program, ProgramCache, Tier};
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
    for (tier, roll, name) in [(Tier::Fast, 0, "fast"), (Tier::Full, 0, "full"), (Tier::Full, 16, "rolled")] {
        let options = Options::default().forms(Forms::VALUE_AND_GRAD).tier(tier).roll(roll);
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

/// Time per operation at 100,000 and at a million.
fn linear(c: &mut Criterion) {
    let mut group = c.benchmark_group("linear");
    group.sample_size(10).measurement_time(Duration::from_secs(30));
    for ops in [100_000, 1_000_000] {
        group.throughput(Throughput::Elements(ops as u64));
        for (name, graph) in [("random", dag::random(ops)), ("chain", dag::chain(ops))] {
            let options = Options::default().forms(Forms::VALUE_AND_GRAD).tier(Tier::Fast);
            group.bench_with_input(BenchmarkId::new(name, ops), &graph, |b, graph| {
                b.iter_with_large_drop(|| {
                    Program::compile(graph, &options).expect("a machine with a code generator")
                });
            });
        }
    }
    group.finish();
}

fn cached(c: &mut Criterion) {
    let mut group = c.benchmark_group("cached");
    let (cache, options) = (ProgramCache::new(4), Options::default());
    for (name, graph) in [("random_100", dag::random(100)), ("rosenbrock_scalars", dag::rosenbrock(10_000))] {
        let find = || cache.compile(&graph, &options).expect("a machine with a code generator");
        find();
        group.bench_function(name, |b| b.iter(find));
    }
    group.finish();
}

criterion_group!(benches, compile, straight_line, linear, cached);
criterion_main!(benches);
