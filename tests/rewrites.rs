//! Every arithmetic op on every other, with every constant that rewrites look
//! for: compiled code, unrolled and in loops, gives the bits of the tape. Random
//! graphs seldom put the right three things together; there are few enough to try all.
#![cfg(feature = "jit")]

#[allow(unused_imports)]
#[path = "support/mod.rs"]
mod support;

use cotangent::{Builder, DType, Forms, Graph, Options, Program, Shape, Tape, Var};
use support::{Column, Rng, args, args_mut, tensor_bits, types, zeros};

type Unary = for<'b> fn(Var<'b>) -> Var<'b>;
type Binary = for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>;

const UNARY: [(&str, Unary); 6] = [
    ("neg", |a| -a),
    ("abs", |a| a.abs()),
    ("square", |a| a.square()),
    ("reciprocal", |a| a.recip()),
    ("sqrt", |a| a.sqrt()),
    ("relu", |a| a.relu()),
];
const BINARY: [(&str, Binary); 6] = [
    ("add", |a, b| a + b),
    ("sub", |a, b| a - b),
    ("mul", |a, b| a * b),
    ("div", |a, b| a / b),
    ("maximum", |a, b| a.maximum(b)),
    ("minimum", |a, b| a.minimum(b)),
];

/// The last is below the normal numbers of f32; half of it is 0 there.
const CONSTANTS: [f64; 9] =
    [0.0, -0.0, 1.0, -1.0, 2.0, 0.1, f64::NEG_INFINITY, f64::NAN, 1.401_298_464_324_817e-45];

const INF: f64 = f64::INFINITY;
const X: [f64; 12] = [-0.0, 0.0, -0.0, 0.0, 1.5, -3.0, 0.1, INF, -INF, f64::NAN, 1e38, 1e-45];
const Y: [f64; 12] = [0.0, -0.0, -0.0, 0.0, -2.0, -0.0, 0.3, INF, 1.0, 0.0, -1e38, 1e-45];

/// What an op is applied to beside the value at hand.
fn others<'b>(dtype: DType, r: Var<'b>, x: Var<'b>, y: Var<'b>) -> Vec<(String, Var<'b>)> {
    let mut all = vec![("itself".to_string(), r), ("x".into(), x), ("y".into(), y), ("-y".into(), -y)];
    for c in CONSTANTS {
        all.push((format!("{c:?}"), r.builder().full(dtype, Shape::scalar(), c)));
    }
    all
}

/// All that can be made of a value with one op.
fn applied<'b>(dtype: DType, r: Var<'b>, x: Var<'b>, y: Var<'b>) -> Vec<(String, Var<'b>)> {
    let mut all: Vec<(String, Var<'b>)> = UNARY.iter().map(|(name, f)| (name.to_string(), f(r))).collect();
    for (name, f) in BINARY {
        for (other, v) in others(dtype, r, x, y) {
            all.push((format!("{name} _ {other}"), f(r, v)));
            all.push((format!("{name} {other} _"), f(v, r)));
        }
    }
    all
}

fn column(dtype: DType, v: &[f64]) -> Column {
    match dtype {
        DType::F32 => Column::F32(v.iter().map(|&x| x as f32).collect()),
        _ => Column::F64(v.to_vec()),
    }
}

/// The bits of all outputs, by code and by the tape.
fn outputs(graph: &Graph, columns: &[Column], options: &Options) -> Vec<[Vec<u64>; 2]> {
    let tensors = columns.iter().zip(graph.input_values()).map(|(c, v)| c.tensor(graph.ty(v)));
    let tape: Tape<'_> = Tape::compile(graph, tensors.collect()).unwrap();
    let program = Program::compile(graph, &options.clone().forms(Forms::FORWARD)).unwrap();
    let mut outputs = zeros(&types(graph, graph.outputs().iter().copied()));
    program.forward(&mut program.workspace(), &args(columns), &mut args_mut(&mut outputs)).unwrap();
    outputs.iter().zip(tape.outputs()).map(|(code, tape)| [code.bits(), tensor_bits(&tape)]).collect()
}

/// All pairs whose inner op is the one at this position; how many.
fn check(dtype: DType, at: usize, options: &Options) -> Option<usize> {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype, [X.len()]), g.input("y", dtype, [X.len()]));
    let (inner, r) = applied(dtype, x, x, y).into_iter().nth(at)?;
    let (outer, results): (Vec<String>, Vec<Var<'_>>) = applied(dtype, r, x, y).into_iter().unzip();
    let graph = g.finish(&results).unwrap();
    let columns = [column(dtype, &X), column(dtype, &Y)];
    let bits = outputs(&graph, &columns, options);
    for (outer, [code, tape]) in outer.iter().zip(&bits) {
        let differs = (0..X.len()).find(|&i| code[i] != tape[i]);
        assert!(
            differs.is_none(),
            "{dtype} {outer}, _ = {inner}: tape {tape:x?}, code {code:x?} at x {X:?}, y {Y:?}, with {options:?}"
        );
    }
    Some(bits.len())
}

#[test]
fn every_pair_of_arithmetic_ops_keeps_every_bit() {
    let mut pairs = 0;
    for dtype in [DType::F64, DType::F32] {
        for unroll in [1 << 30, 0] {
            let options = Options::default().unroll(unroll);
            pairs += (0..).map_while(|at| check(dtype, at, &options)).sum::<usize>();
        }
    }
    println!("rewrites: {pairs} pairs of ops, element type and unrolling");
    assert!(pairs > 100_000);
}

/// A sum of pieces of x, each padded to the whole along an axis, as reading a tensor piece by piece
/// gives it; now and then a term that is not padded.
fn sum_of_pieces<'b>(g: &'b Builder, dtype: DType, rng: &mut Rng) -> Var<'b> {
    let mut below = |n: usize| (rng.next() % n as u64) as usize;
    let (axis, n) = (below(2), 3 + below(20));
    let mut shape = [2, 2];
    shape[axis] = n;
    let all = g.input("x", dtype, [X.len()]);
    let x = all.concat(&[all, all, all], 0).narrow(0, 0, 2 * n).reshape(shape);
    let mut sum: Option<Var<'b>> = None;
    for _ in 0..9 + below(9) {
        let term = if below(12) == 0 {
            -x
        } else {
            let (start, widest) = (below(n), 1 + below(3));
            let stop = n.min(start + widest);
            let mut pads = [(0, 0); 2];
            pads[axis] = (start, n - stop);
            x.narrow(axis as isize, start, stop).pad(&pads, 0.0)
        };
        sum = Some(sum.map_or(term, |sum| if below(3) == 0 { term + sum } else { sum + term }));
    }
    sum.unwrap_or(x)
}

#[test]
fn sums_of_padded_pieces_keep_every_bit() {
    let mut rng = Rng(11);
    for round in 0..300 {
        let dtype = [DType::F64, DType::F32][round % 2];
        let g = Builder::new();
        let sum = sum_of_pieces(&g, dtype, &mut rng);
        let graph = g.finish(&[sum]).unwrap();
        for values in [X, Y] {
            for unroll in [1 << 30, 0] {
                let options = Options::default().unroll(unroll);
                for [code, tape] in outputs(&graph, &[column(dtype, &values)], &options) {
                    assert_eq!(code, tape, "{graph}");
                }
            }
        }
    }
}

/// A number: an ordinary one, or now and then one of those that rewrites must not lose.
fn number(rng: &mut Rng) -> f64 {
    let at = rng.next() as usize % 100;
    X.get(at).copied().unwrap_or_else(|| rng.real())
}

#[test]
fn dots_of_rows_of_a_constant_matrix_keep_every_bit() {
    let mut rng = Rng(12);
    for dtype in [DType::F64, DType::F32] {
        for k in 1..=34 {
            for rows in [15, 16, 17, 40, 133] {
                let g = Builder::new();
                let x = g.input("x", dtype, [k]);
                let numbers: Vec<f64> = (0..rows * k).map(|_| number(&mut rng)).collect();
                let matrix = match dtype {
                    _ if rows == 17 => g.full(dtype, [rows, k], 0.1),
                    DType::F32 => {
                        g.constant_of([rows, k], numbers.iter().map(|&x| x as f32).collect::<Vec<_>>())
                    }
                    _ => g.constant_of([rows, k], &numbers),
                };
                let graph = g.finish(&[matrix.matmul(x), matrix.matmul(-x).exp().sum()]).unwrap();
                let values: Vec<f64> = (0..k).map(|_| number(&mut rng)).collect();
                for unroll in [1 << 30, 0] {
                    let options = Options::default().unroll(unroll);
                    for [code, tape] in outputs(&graph, &[column(dtype, &values)], &options) {
                        assert_eq!(code, tape, "{dtype} {rows} x {k} with {options:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_of_a_row_and_a_small_matrix_keep_every_bit() {
    let mut rng = Rng(13);
    for dtype in [DType::F64, DType::F32] {
        for k in 1..=18 {
            for n in [7, 8, 16, 37, 100] {
                let g = Builder::new();
                let (x, matrix) = (g.input("x", dtype, [k]), g.input("matrix", dtype, [k, n]));
                let product = x.matmul(matrix);
                let graph = g.finish(&[product, (product + 1.0).relu(), product.square().sum()]).unwrap();
                let mut values = |n: usize| -> Vec<f64> { (0..n).map(|_| number(&mut rng)).collect() };
                let columns = [column(dtype, &values(k)), column(dtype, &values(k * n))];
                for unroll in [1 << 30, 0] {
                    let options = Options::default().unroll(unroll);
                    for [code, tape] in outputs(&graph, &columns, &options) {
                        assert_eq!(code, tape, "{dtype} {k} x {n} with {options:?}");
                    }
                }
            }
        }
    }
}

/// Parts of parts of an input, in other shapes: what is in memory already, and what has gaps.
#[test]
fn parts_of_inputs_are_where_they_are_looked_for() {
    for dtype in [DType::F64, DType::F32] {
        let g = Builder::new();
        let x = g.input("x", dtype, [240]);
        let inner = x.narrow(0, 10, 210).narrow(0, 7, 187);
        let rows = inner.reshape([12, 15]).narrow(0, 2, 11);
        let outputs = [
            inner.narrow(0, 3, 103).reshape([5, 20]).matmul(x.narrow(0, 0, 20)),
            rows.reshape([15, 9]).matmul(rows),
            rows.narrow(1, 1, 13).reshape([12, 9]).matmul(rows.narrow(0, 4, 5).reshape([3, 5]).sum() * rows),
            rows.slice(&[0, 0], &[9, 15], &[2, 1]).reshape([15, 5]).matmul(rows.narrow(0, 1, 6)),
        ];
        let graph = g.finish(&outputs).unwrap();
        let values: Vec<f64> = (0..240).map(|i| f64::from(i) * 0.37 - 40.0).collect();
        for unroll in [1 << 30, 0] {
            let options = Options::default().unroll(unroll);
            for [code, tape] in self::outputs(&graph, &[column(dtype, &values)], &options) {
                assert_eq!(code, tape, "{dtype}, unroll {unroll}");
            }
        }
    }
}

/// What is asked of the terms of a sum is asked once of each: sixty doublings have 2^60 of them.
#[test]
fn long_chains_of_sums_and_views_end() {
    let g = Builder::new();
    let x = g.input("x", DType::F64, [32]);
    let doubled = (0..60).fold(x, |y, _| y + y);
    let padded = doubled.pad(&[(0, 32)], 0.0) + x.pad(&[(32, 0)], 0.0);
    let part = (0..50_000).fold(x, |y, _| y.narrow(0, 0, 32).reshape([2, 16]).narrow(0, 0, 2).reshape([32]));
    let shorter = (0..30).fold(part, |y, i| y.narrow(0, 1, 32 - i));
    let graph = g.finish(&[padded, shorter.reshape([1, 2]).matmul(x.reshape([2, 16]))]).unwrap();
    let values: Vec<f64> = (0..32).map(|i| f64::from(i) * 0.5 - 3.0).collect();
    for [code, tape] in outputs(&graph, &[column(DType::F64, &values)], &Options::default().unroll(0)) {
        assert_eq!(code, tape);
    }
}
