//! Loops as ops: against the same steps written out, tape against compiled code to the bit,
//! derivatives of any order, the text form, and what is said of mistakes.
#![cfg(feature = "jit")]

#[path = "../support/mod.rs"]
mod support;

mod agree;
mod branches;
mod checkpoints;
mod cost;
mod errors;

use cotangent::{Builder, Graph, Options, Program, Var, dtype};
use support::{Bits, Case, levels, run, run_tape, vector_forms};

/// A step: carries and slices to carries and values to stack.
type Step<'s, 'b> = dyn Fn(&'b Builder, &[Var<'b>], &[Var<'b>]) -> (Vec<Var<'b>>, Vec<Var<'b>>) + 's;

/// The same as [`Builder::scan`] with a copy of the step for each of them.
fn written_out<'b>(
    g: &'b Builder,
    steps: usize,
    init: &[Var<'b>],
    xs: &[Var<'b>],
    backwards: bool,
    step: &Step<'_, 'b>,
) -> (Vec<Var<'b>>, Vec<Var<'b>>) {
    let mut carries = init.to_vec();
    let mut given: Vec<Vec<Var<'b>>> = Vec::new();
    for t in 0..steps {
        let t = if backwards { steps - 1 - t } else { t };
        let slices: Vec<Var<'b>> = xs
            .iter()
            .map(|x| {
                let dims = x.shape().dims()[1..].to_vec();
                x.narrow(0, t, t + 1).reshape(dims)
            })
            .collect();
        let (next, out) = step(g, &carries, &slices);
        carries = next;
        given.push(out);
    }
    if backwards {
        given.reverse();
    }
    let stacks = (0..given[0].len()).map(|k| {
        let all: Vec<Var<'b>> = given.iter().map(|out| out[k]).collect();
        all[0].stack(&all[1..], 0)
    });
    (carries, stacks.collect())
}

/// A graph of a loop, and the same written out: one input for each type, a step.
fn both(
    steps: usize,
    types: &[(cotangent::DType, &[usize])],
    carries: usize,
    slices: usize,
    backwards: bool,
    step: impl for<'b> Fn(&'b Builder, &[Var<'b>], &[Var<'b>], &[Var<'b>]) -> (Vec<Var<'b>>, Vec<Var<'b>>),
) -> [Graph; 2] {
    [true, false].map(|looped| {
        let g = Builder::new();
        let inputs: Vec<Var<'_>> =
            types.iter().enumerate().map(|(i, (d, s))| g.input(&format!("x{i}"), *d, *s)).collect();
        let (init, rest) = inputs.split_at(carries);
        let (xs, fixed) = rest.split_at(slices);
        let (last, stacks) = match (looped, backwards) {
            (true, false) => g.scan(steps, init, xs, |b, c, x| step(b, c, x, fixed)),
            (true, true) => g.scan_backwards(steps, init, xs, |b, c, x| step(b, c, x, fixed)),
            (false, _) => written_out(&g, steps, init, xs, backwards, &|b, c, x| step(b, c, x, fixed)),
        };
        g.finish(&[last, stacks].concat()).unwrap()
    })
}

/// All forms of a graph by compiled code of every level, which must have the bits of the tape.
fn bits(graph: &Graph, seed: u64) -> Bits {
    let case = Case::random(graph, seed);
    let expected = run_tape(graph, &case).unwrap();
    for options in levels().into_iter().chain([Options::default().unroll(0)]) {
        let options = options.forms(vector_forms()).checks(cotangent::Checks::On);
        let program = Program::compile(graph, &options).unwrap();
        assert_eq!(run(&program, &case).unwrap(), expected, "{options:?} on\n{graph}");
    }
    expected
}

/// Equal up to a few roundings.
fn close(a: &[Vec<u64>], b: &[Vec<u64>], of: &str) {
    assert_eq!(a.len(), b.len(), "{of}");
    for (x, y) in a.iter().flatten().zip(b.iter().flatten()) {
        let (x, y) = (f64::from_bits(*x), f64::from_bits(*y));
        let scale = 1.0 + x.abs().max(y.abs());
        assert!((x - y).abs() <= 1e-12 * scale, "{of}: {x} and {y}");
    }
}

/// A recurrent cell over 7 steps, `[batch 2, width 3]`, with its states stacked.
fn cell(backwards: bool, steps: usize) -> [Graph; 2] {
    let f = dtype::f64;
    let xs = [steps, 2, 3];
    let types: [(_, &[usize]); 4] = [(f, &[2, 3]), (f, &xs), (f, &[3, 3]), (f, &[3])];
    both(steps, &types, 1, 1, backwards, |_, h, x, fixed| {
        let next = (h[0].matmul(fixed[0]) + x[0] + fixed[1]).tanh();
        (vec![next], vec![next * h[0], x[0].square().sum()])
    })
}
