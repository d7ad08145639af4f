//! Random numbers: the key given at run time and frozen, in both float types.

use super::support::{Bits, Case, Column, levels, run, run_tape, types, vector_forms};
use super::{TIGHT, near, numbers};
use cotangent::{Builder, DType, Graph, KeepDims, Options, Program, Var, dtype};

type Key = [i64; 2];

/// What tape and compiled code agree on, for inputs that come after the key.
fn drawn(graph: &Graph, key: Option<Key>, inputs: &[f64]) -> Bits {
    let zeros = |v: Vec<cotangent::ValueType>| v.iter().map(Column::zeros).collect::<Vec<_>>();
    let ones = |n: usize| Column::F64(vec![1.0; n]);
    let key = key.map(|key| Column::I64(key.to_vec()));
    let output = graph.outputs()[0];
    let case = Case {
        inputs: key.into_iter().chain(inputs.iter().map(|&x| Column::F64(vec![x]))).collect(),
        seeds: match graph.ty(output).dtype {
            DType::F64 => vec![ones(graph.shape(output).numel())],
            _ => zeros(types(graph, [output])),
        },
        tangents: inputs.iter().map(|_| ones(1)).collect(),
        dense: zeros(types(graph, graph.values())),
    };
    let bits = run_tape(graph, &case).unwrap();
    for options in levels().into_iter().flat_map(|o| [o.clone().unroll(0), o]) {
        let program = Program::compile(graph, &options.clone().forms(vector_forms())).unwrap();
        assert!(run(&program, &case).unwrap() == bits, "compiled with {options:?}");
    }
    bits
}

/// The first result of a key given at run time, after a frozen one gave the same.
fn first(key: Key, build: impl for<'b> Fn(&'b Builder, Var<'b>) -> Var<'b>) -> Vec<u64> {
    let g = Builder::new();
    let given = g.input("key", dtype::i64, [2]);
    let graph = g.finish(&[build(&g, given)]).unwrap();
    let bits = drawn(&graph, Some(key), &[]);
    let g = Builder::new();
    let frozen = g.constant(key);
    let graph = g.finish(&[build(&g, frozen)]).unwrap();
    assert_eq!(drawn(&graph, None, &[]).outputs, bits.outputs, "frozen {key:?}");
    bits.outputs[0].clone()
}

fn integers(key: Key, n: usize) -> Vec<u64> {
    let drawn =
        first(key, |g, key| g.apply(cotangent::ops::make::random_bits(&[n].into()), &[key]).cast(dtype::f64));
    numbers(&drawn).iter().map(|&u| u as u64).collect()
}

const ROWS: [(Key, &[u64], &[u8]); 5] = [
    ([0, 0], &[1_293_516_399, 2_939_677_055, 1_326_138_252, 994_118_778], &[1, 0, 1, 1, 0, 1, 1, 1]),
    ([0, 1], &[1_949_917_470, 840_412_675, 2_524_120_683, 1_272_474_839], &[1, 1, 0, 1, 0, 0, 0, 0]),
    ([1, 0], &[1_949_917_470, 840_412_675, 2_524_120_683, 1_272_474_839], &[1, 1, 0, 1, 0, 0, 0, 0]),
    ([0, 2], &[], &[1, 1, 1, 0, 0, 0, 1, 0]),
    ([42, 3], &[4_183_322_127, 4_270_391_397, 2_716_961_364, 1_373_604_689], &[0, 0, 0, 1, 0, 1, 0, 0]),
];

/// Case 42: integers, uniform numbers, masks.
#[test]
fn uniform_numbers_and_masks() {
    for (key, integer, mask) in ROWS {
        assert_eq!(integers(key, integer.len()), integer);
        let n = integer.len();
        let wide = numbers(&first(key, |g, key| g.rand_uniform(key, dtype::f64, [n])));
        assert_eq!(wide, integer.iter().map(|&u| u as f64 / 4_294_967_296.0).collect::<Vec<_>>());
        let narrow = first(key, |g, key| g.rand_uniform(key, dtype::f32, [n]));
        let want = integer.iter().map(|&u| u64::from((u as f32 / 4_294_967_296.0).to_bits()));
        assert_eq!(narrow, want.collect::<Vec<_>>());
        let drawn = numbers(&first(key, |g, key| g.scalar(0.5).bernoulli_mask(key, [2, 4])));
        assert_eq!(drawn, mask.iter().map(|&m| f64::from(m)).collect::<Vec<_>>());
    }
    let first_four = numbers(&first([0, 0], |g, key| g.rand_uniform(key, dtype::f64, [4])));
    near(&first_four, &[0.301170255756, 0.684446900850, 0.308765622787, 0.231461314950], TIGHT);
}

/// In f32 what is at least 2^32 - 128 rounds to 1, so that even keep = 1 drops it.
#[test]
fn the_largest_numbers_round_to_one_in_f32() {
    use cotangent_runtime::random::{bits, key};
    let (seed, n) = (5, 1 << 16);
    let high =
        |counter: i64| (0..n).find(|&i| bits(key(seed as u64, counter as u64), i as u64) >= u32::MAX - 127);
    let (counter, at) = (0..4096).find_map(|c| Some((c, high(c)?))).expect("one of 2^28 numbers");
    let narrow = first([seed, counter], |g, key| g.rand_uniform(key, dtype::f32, [n]).narrow(0, at, at + 1));
    assert_eq!(narrow, [u64::from(1f32.to_bits())]);
    let kept = first([seed, counter], |g, key| {
        g.full(dtype::f32, (), 1.0).bernoulli_mask(key, [n]).narrow(0, at, at + 1)
    });
    assert_eq!(kept, [0]);
    let wide =
        numbers(&first([seed, counter], |g, key| g.rand_uniform(key, dtype::f64, [n]).narrow(0, at, at + 1)));
    assert!(wide[0] < 1.0 && wide[0] > 0.99999);
}

/// sqrt(-2 ln u1) cos(2 pi u2) of neighbours, u1 at least 1e-6.
#[test]
fn normal_numbers() {
    let key = [7, 11];
    let u: Vec<f64> = integers(key, 12).iter().map(|&u| u as f64 / 4_294_967_296.0).collect();
    let want: Vec<f64> = (0..6)
        .map(|i| (-2.0 * u[2 * i].max(1e-6).ln()).sqrt() * (std::f64::consts::TAU * u[2 * i + 1]).cos())
        .collect();
    near(&numbers(&first(key, |g, key| g.rand_normal(key, dtype::f64, [2, 3]))), &want, TIGHT);
    let moments = numbers(&first(key, |g, key| {
        let x = g.rand_normal(key, dtype::f64, [40_000]);
        x.mean_over(&[0], KeepDims::Yes).concat(&[x.square().mean_over(&[0], KeepDims::Yes)], 0)
    }));
    // Five standard deviations of the mean and of the mean square.
    near(&moments, &[0.0, 1.0], 5.0 / 200.0 * 2f64.sqrt());
}

/// Dropout: mask times x over keep; its slope is the mask over keep, and nothing
/// flows to the probability of a mask.
#[test]
fn dropout_and_its_gradient() {
    let g = Builder::new();
    let (key, x) = (g.input("key", dtype::i64, [2]), g.input("x", dtype::f64, [1]));
    let graph = g.finish(&[x.broadcast_to([8]).dropout(0.5, key)]).unwrap();
    let bits = drawn(&graph, Some([0, 0]), &[3.0]);
    near(&numbers(&bits.outputs[0]), &[6.0, 0.0, 6.0, 6.0, 0.0, 6.0, 6.0, 6.0], 0.0);
    near(&numbers(&bits.gradients[0]), &[12.0], 0.0);
    let other = drawn(&graph, Some([0, 1]), &[3.0]);
    near(&numbers(&other.outputs[0]), &[6.0, 6.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0], 0.0);
    near(&numbers(&other.gradients[0]), &[6.0], 0.0);

    let g = Builder::new();
    let (key, keep) = (g.input("key", dtype::i64, [2]), g.input("keep", dtype::f64, [1]));
    let graph = g.finish(&[keep.sum().bernoulli_mask(key, [8])]).unwrap();
    let bits = drawn(&graph, Some([0, 0]), &[0.5]);
    near(&numbers(&bits.outputs[0]), &[1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 0.0);
    assert_eq!((&bits.gradients[0][..], &bits.tangents[0][..]), (&[0][..], &[0; 8][..]));
}

#[test]
fn dropout_that_keeps_nothing_is_refused() {
    for p in [1.0, 1.5, -0.1, f64::NAN] {
        let g = Builder::new();
        let (key, x) = (g.input("key", dtype::i64, [2]), g.input("x", dtype::f64, [3]));
        let error = g.finish(&[x.dropout(p, key)]).unwrap_err().to_string();
        assert!(error.contains("dropout") && error.contains("(1 - p) > 0"), "{error}");
    }
    let g = Builder::new();
    let (key, x) = (g.input("key", dtype::i64, [2]), g.input("x", dtype::f64, [3]));
    let graph = g.finish(&[x.dropout(0.0, key)]).unwrap();
    assert!(Program::compile(&graph, &Options::default()).is_ok());
}
