//! One small function at many points: a call per point against one call for all of them.

mod common;
#[path = "../examples/peers/workloads/mod.rs"]
#[allow(dead_code, unused_imports, reason = "of the workloads one graph is used")]
mod workloads;

use common::Lcg;
use cotangent::{
    Arg, ArgMut, Builder, Forms, Graph, Options, Points, PointsMut, Program, VectorWidth, dtype,
    value_and_jacobian,
};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use workloads::Failure;

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

const POINTS: usize = 10_000;

/// Rosenbrock's function of two variables, value and gradient as outputs.
fn rosenbrock() -> Result<Graph, Failure> {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let loss = (x.at(1) - x.at(0).square()).square() * 100.0 + (1.0 - x.at(0)).square();
    Ok(cotangent::value_and_grad(&g.finish(&[loss])?, &[0])?.into_graph())
}

/// A graph of two outputs at many points.
fn points(c: &mut Criterion, name: &str, graph: &Graph) -> Result<(), Failure> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(POINTS as u64));
    let len = |v| graph.ty(v).numel().max(1);
    let (reads, writes): (Vec<usize>, Vec<usize>) =
        (graph.input_values().map(len).collect(), graph.outputs().iter().map(|&v| len(v)).collect());
    let mut numbers = Lcg::new(1);
    let inputs: Vec<Vec<f64>> = reads.iter().map(|n| numbers.numbers(n * POINTS)).collect();
    let expected = one_by_one(&mut group, graph, &inputs, &reads, &writes)?;
    for (name, width, threads, by_point) in [
        ("batched", VectorWidth::Widest, 1, true),
        ("batched_structs_of_arrays", VectorWidth::Widest, 1, false),
        ("batched_256", VectorWidth::Bits256, 1, true),
        ("batched_2_threads", VectorWidth::Widest, 2, true),
    ] {
        let batched = Program::batched(graph, &Options::default().forms(Forms::FORWARD).width(width))?;
        let mut ws = batched.parallel_workspace(threads);
        let read = |x| if by_point { Points::by_point(x) } else { Points::by_element(x) };
        let given: Vec<Points<'_>> = inputs.iter().map(read).collect();
        let mut results: Vec<Vec<f64>> = writes.iter().map(|n| vec![0.0; n * POINTS]).collect();
        let write = |x| if by_point { PointsMut::by_point(x) } else { PointsMut::by_element(x) };
        let mut wanted: Vec<PointsMut<'_>> = results.iter_mut().map(write).collect();
        group.bench_function(name, |b| {
            b.iter(|| batched.forward(&mut ws, POINTS, black_box(&given), black_box(&mut wanted)));
        });
        drop(wanted);
        let bits = |all: &[Vec<f64>]| all.concat().into_iter().map(f64::to_bits).collect::<Vec<_>>();
        if by_point && bits(&results) != bits(&expected) {
            return Err(format!("{name}: other bits").into());
        }
    }
    group.finish();
    Ok(())
}

fn one_by_one(
    group: &mut Group<'_>,
    graph: &Graph,
    inputs: &[Vec<f64>],
    reads: &[usize],
    writes: &[usize],
) -> Result<Vec<Vec<f64>>, Failure> {
    let program = Program::compile(graph, &Options::default().forms(Forms::FORWARD))?;
    let mut ws = program.workspace();
    let mut results: Vec<Vec<f64>> = writes.iter().map(|n| vec![0.0; n * POINTS]).collect();
    let mut call = |results: &mut [Vec<f64>]| -> Result<(), Failure> {
        let [first, second] = results else { return Err("two outputs".into()) };
        let mut outputs = (first.chunks_exact_mut(writes[0]), second.chunks_exact_mut(writes[1]));
        for p in 0..POINTS {
            let read = |i: usize| Arg::F64(&inputs[i][p * reads[i]..(p + 1) * reads[i]]);
            let (Some(first), Some(second)) = (outputs.0.next(), outputs.1.next()) else { break };
            let mut write = [ArgMut::F64(first), ArgMut::F64(second)];
            match reads.len() {
                1 => program.forward(&mut ws, &[read(0)], &mut write)?,
                _ => program.forward(&mut ws, &[read(0), read(1)], &mut write)?,
            }
        }
        Ok(())
    };
    call(&mut results)?;
    group.bench_function("one_by_one", |b| b.iter(|| call(black_box(&mut results))));
    Ok(results)
}

fn all(c: &mut Criterion) {
    points(c, "points_rosenbrock", &rosenbrock().expect("a graph")).expect("points that fit");
    let residuals = workloads::adjust::residuals().expect("a graph");
    let jacobian = value_and_jacobian(&residuals, &[0]).expect("rules for all ops").into_graph();
    points(c, "points_reprojection", &jacobian).expect("points that fit");
}

criterion_group!(benches, all);
criterion_main!(benches);
