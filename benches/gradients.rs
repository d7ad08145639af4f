//! Value and gradient: tape, native code at every level, hand-written Rust.

mod common;

use common::jobs::{self, Job};
use common::{tape_gradient, tensors};
use cotangent::{Arg, ArgMut, Forms, OptLevel, Options, Program, Tier, ValueId};
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn gradients(c: &mut Criterion) {
    for job in jobs::all() {
        let mut group = c.benchmark_group(&job.name);
        let expected = hand(&mut group, &job);
        for (opt, opt_name) in [(OptLevel::None, "none"), (OptLevel::Full, "full")] {
            for (tier, tier_name) in [(Tier::Fast, "fast"), (Tier::Full, "full")] {
                let options =
                    Options::default().forms(Forms::VALUE_AND_GRAD).opt(opt).tier(tier).wrt(&job.wrt);
                jit(&mut group, &job, &format!("jit_{opt_name}_{tier_name}"), &options, &expected);
            }
        }
        tape(&mut group, &job, &expected);
        group.finish();
    }
}

/// Times the hand-written one; its results are what the others must give.
fn hand(group: &mut Group<'_>, job: &Job) -> (f64, Vec<f64>) {
    let mut gradients: Vec<Vec<f64>> = job.wrt.iter().map(|&i| vec![0.0; job.inputs[i].len()]).collect();
    let value = (job.hand)(&job.inputs, &mut gradients);
    let expected = (value, gradients.concat());
    group
        .bench_function("hand", |b| b.iter(|| (job.hand)(black_box(&job.inputs), black_box(&mut gradients))));
    expected
}

fn jit(group: &mut Group<'_>, job: &Job, name: &str, options: &Options, expected: &(f64, Vec<f64>)) {
    let program = Program::compile(&job.graph, options).expect("a machine with a code generator");
    let mut ws = program.workspace();
    let inputs: Vec<Arg<'_>> = job.inputs.iter().map(Arg::from).collect();
    let mut gradients: Vec<Vec<f64>> = job.wrt.iter().map(|&i| vec![0.0; job.inputs[i].len()]).collect();
    let mut outputs: Vec<ArgMut<'_>> = gradients.iter_mut().map(ArgMut::from).collect();
    let value = program.value_and_grad(&mut ws, &inputs, &mut outputs).expect("arguments that fit");
    group.bench_function(name, |b| {
        b.iter(|| program.value_and_grad(&mut ws, black_box(&inputs), black_box(&mut outputs)));
    });
    check(name, (value, gradients.concat()), expected);
}

fn tape(group: &mut Group<'_>, job: &Job, expected: &(f64, Vec<f64>)) {
    let inputs = tensors(&job.graph, &job.inputs);
    let wrt: Vec<ValueId> = job.wrt.iter().map(|&i| ValueId::new(i as u32)).collect();
    let (value, tensors) = tape_gradient(&job.graph, inputs.clone(), &wrt);
    let gradients: Vec<f64> = tensors.iter().flat_map(|(g, _)| g.to_f64()).collect();
    check("tape", (value, gradients), expected);
    group.bench_function("tape", |b| {
        b.iter_batched(
            || inputs.clone(),
            |inputs| tape_gradient(&job.graph, inputs, &wrt),
            BatchSize::SmallInput,
        );
    });
}

/// A time of a wrong result is worth nothing.
fn check(who: &str, got: (f64, Vec<f64>), expected: &(f64, Vec<f64>)) {
    let scale = expected.1.iter().fold(expected.0.abs(), |m, v| m.max(v.abs()));
    let off =
        got.1.iter().zip(&expected.1).fold((got.0 - expected.0).abs(), |m, (a, b)| m.max((a - b).abs()));
    let agrees = got.1.len() == expected.1.len() && off <= 1e-12 * scale;
    assert!(agrees, "{who}: off by {off} of {scale}");
}

criterion_group!(benches, gradients);
criterion_main!(benches);
