//! Loops at every width of vectors, whole and in blocks, give the bits of the tape: each function
//! with a vector form, at row lengths on both sides of every register, on ordinary and on special
//! numbers.
#![cfg(feature = "jit")]

mod support;

use cotangent::{
    Builder, DType, Forms, Graph, KeepDims, Listing, Options, Program, Tier, Var, VectorWidth, dtype,
};
use support::points::fill;
use support::{Case, Rng, run, run_tape, vector_forms};

const WIDTHS: [VectorWidth; 4] =
    [VectorWidth::Bits128, VectorWidth::Bits256, VectorWidth::Bits512, VectorWidth::Widest];

/// Elements of a block; 0 leaves arrays of such lengths whole.
const BLOCKS: [usize; 4] = [0, 32, 8, 1];

/// Around whole registers, pairs of them, blocks of the loop.
const LENGTHS: [usize; 24] =
    [1, 7, 15, 16, 17, 31, 32, 33, 39, 40, 47, 48, 63, 64, 65, 71, 96, 127, 128, 129, 160, 257, 300, 1001];

type Build = for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>;

fn graph(ty: DType, n: usize, build: impl for<'b> Fn(Var<'b>, Var<'b>) -> Vec<Var<'b>>) -> Graph {
    let g = Builder::new();
    let (x, y) = (g.input("x", ty, [n]), g.input("y", ty, [n]));
    g.finish(&build(x, y)).unwrap()
}

/// The tape's bits at every width, in every form.
fn check(name: &str, build: Build) {
    check_all(name, |x, y| vec![build(x, y)]);
}

/// The same of several results.
fn check_all(name: &str, build: impl for<'b> Fn(Var<'b>, Var<'b>) -> Vec<Var<'b>>) {
    for ty in [dtype::f64, dtype::f32] {
        for n in LENGTHS {
            let graph = graph(ty, n, &build);
            // A sum of special numbers says little of the others.
            let mut cases = [n, 2 * n].map(|seed| Case::random(&graph, seed as u64));
            let mut rng = Rng(n as u64);
            for input in &mut cases[0].inputs {
                *input = fill(ty, n, &mut rng);
            }
            let wants = cases.each_ref().map(|case| run_tape(&graph, case).unwrap());
            let tiers = [Tier::Fast, Tier::Full, Tier::Fast, Tier::Full];
            for (i, (width, tier)) in WIDTHS.into_iter().zip(tiers).enumerate() {
                let block = BLOCKS[(i + n) % BLOCKS.len()];
                let options = Options::default().forms(vector_forms()).tier(tier).width(width);
                let program = Program::compile(&graph, &options.unroll(0).block(block)).unwrap();
                for (case, want) in cases.iter().zip(&wants) {
                    let got = run(&program, case).unwrap();
                    assert!(got == *want, "{name} of {n} {ty:?} at {width:?} in blocks of {block}");
                }
            }
        }
    }
}

#[test]
fn arithmetic() {
    check("sums and products", |x, y| (x + y) * (x - y) / y.abs() - (-x).recip());
    check("squares and roots", |x, y| (x.square() + y.abs()).sqrt());
    check("fused products", |x, y| x.mul_add(y, x) + y.mul_add(y, y));
}

#[test]
fn pieces() {
    check("extremes", |x, y| x.maximum(y) - x.minimum(y));
    check("ramps", |x, y| x.relu() * y.sign() + x.clamp(-0.5, 0.75));
    check("rounding", |x, y| x.floor() + y.ceil() * x.round_even());
}

#[test]
fn masks() {
    check("comparisons", |x, y| {
        let both = x.lt(y).and(x.ne(y)).or(y.le(x).not());
        both.select(x, y) + x.eq(y).xor(x.le(y)).select(y, x)
    });
    check("a mask that stays", |x, y| {
        x.at(0).le(y.at(0)).select(x, y) + x.lt(y).or(y.at(0).lt(x.at(0))).select(x, -y)
    });
}

#[test]
fn reductions() {
    check("sum", |x, y| (x * y + x).sum());
    check("dot", |x, y| x.dot(y));
    check("maximum", |x, y| (x - y).reduce_max());
    check("mean of squares", |x, y| (x - y).square().mean() + x.logsumexp(&[0], KeepDims::No));
}

/// Several loops over the same elements: what one writes the next reads, here and further on.
#[test]
fn chains() {
    check("functions one after the other", |x, y| ((x.exp() + y).sin() * x).tanh() / (y.abs() + 1.0).log());
    check("a sum on the way", |x, y| {
        let z = (x * y).sin() + y;
        (z * z.exp()).sum() + z.dot(x.exp())
    });
    check("neighbours ahead and behind", |x, y| {
        let n = x.shape().dims()[0];
        let (z, w) = (x.sin() * y, (x + y).tanh() - y);
        let by = if n > 8 { 3 } else { 0 };
        let ahead = (z.narrow(0, by, n) * w.narrow(0, 0, n - by)).exp() + z.narrow(0, by, n);
        let behind = w.narrow(0, by, n) - (z.narrow(0, 0, n - by) * ahead).cos();
        (behind * ahead).sum() + z.narrow(0, 0, n - by).dot(ahead)
    });
    check("a result that a loop reads whole", |x, y| {
        let z = (x - y).exp();
        (z / z.sum()).log() * y - z.flip(&[0])
    });
}

/// Passes that become one: what one stores the other has in a register, or computes again further
/// on; results of lengths that differ.
#[test]
fn joined() {
    check_all("a sum, its terms and what neighbours come to", |x, y| {
        let last = x.shape().dims()[0] - 1;
        let step = x.narrow(0, 1, last + 1) - x.narrow(0, 0, last).square();
        let slope = step.narrow(0, 0, last.max(1) - 1) * 2.0
            - step.narrow(0, last.min(1), last) * x.narrow(0, last.min(1), last);
        vec![(step.square() * 3.0 + (1.0 - y.narrow(0, 0, last)).square()).sum(), slope, step * 0.5]
    });
    check_all("a maximum and what it is of", |x, y| {
        let z = x * y - x;
        vec![z.reduce_max(), z, z.square() - y, (z + y) * 0.5]
    });
    check_all("a pass that needs the sum of one before", |x, y| {
        let z = (x * y).abs().sqrt();
        vec![z * z.sum(), z - y]
    });
    check_all("a longer pass after a shorter", |x, y| {
        let n = x.shape().dims()[0];
        let (short, cut) = (n - n.min(20) / 7, n.min(20) / 10);
        let z = x.narrow(0, 0, short) * y.narrow(0, 0, short);
        vec![z, z.narrow(0, cut, short) - x.narrow(0, 0, short - cut), x - y, (x * y + y).square().sum()]
    });
    check_all("more arrays than registers for pointers", |x, y| {
        let n = x.shape().dims()[0];
        let by = n.min(70) / 5;
        let far = |i: usize| {
            x.narrow(0, i * by, n - 4 * by + i * by).flip(&[0]).flip(&[0]) - y.narrow(0, 0, n - 4 * by)
        };
        (0..5).map(|i| far(i) * f64::from(i as u32 + 2)).collect()
    });
}

/// Rows of a matrix: each, the first with each, sums of each, a column beside them.
#[test]
fn rows() {
    check_all("rows of a matrix", |x, y| {
        let n = x.shape().dims()[0];
        let down = (2..8).rev().find(|by| n.is_multiple_of(*by)).unwrap_or(1);
        let [a, b] = [x, y].map(|v| v.reshape([down, n / down]));
        let first = (a - a.narrow(0, 0, 1)) * b + b.narrow(0, down - 1, down);
        let beside = a * b.narrow(1, 0, 1) - b;
        vec![first, beside, (a * b).sum_over(&[1], KeepDims::No), first.reduce_max_over(&[1], KeepDims::No)]
    });
}

/// Of long arrays no more than a block is kept on the way.
#[test]
fn long() {
    let n = 100_000;
    let build: Build = |x, y| ((x.exp() + y).sin() * x).tanh() * (y.square() + 1.0).log();
    for ty in [dtype::f64, dtype::f32] {
        let graph = graph(ty, n, |x, y| vec![build(x, y)]);
        let case = Case::random(&graph, 1);
        let want = run_tape(&graph, &case).unwrap();
        for block in [0, usize::MAX] {
            let options = Options::default().forms(vector_forms()).block(block);
            let program = Program::compile(&graph, &options).unwrap();
            assert!(run(&program, &case).unwrap() == want, "{ty:?} in blocks of {block}");
        }
        let forward = Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap();
        let room = forward.report().workspace_bytes;
        assert!(room < n * ty.size() / 4, "{room} bytes");
    }
}

/// More values than there are registers, more pointers than there are, and neighbours of one array.
#[test]
fn crowded() {
    check("many values", |x, y| {
        let terms: Vec<Var<'_>> = (1..40).map(|i| x * f64::from(i) + y / f64::from(i)).collect();
        let up = terms.iter().fold(x, |sum, &t| sum * t + t);
        terms.iter().rev().fold(up, |sum, &t| (sum - t) * t)
    });
    // Cheap enough to stay in one loop, read from the first to the last and then the other way round.
    let wait: Build = |x, y| {
        let terms: Vec<Var<'_>> = (1..19).map(|i| x * (f64::from(i) * 0.25)).collect();
        let up = terms.iter().fold(y, |product, &t| product * t);
        terms.iter().rev().fold(up, |sum, &t| sum + t)
    };
    check("values that wait", wait);
    check_all("their sum", |x, y| vec![wait(x, y).sum()]);
    check("neighbours", |x, y| {
        let last = x.shape().dims()[0] - 1;
        let step = x.narrow(0, 1, last + 1) - x.narrow(0, 0, last).square();
        (step * y.narrow(0, 0, last)).sum()
    });
    check("many arrays", |x, y| {
        let shifts = (1..9).filter(|s| 2 * s < x.shape().dims()[0]);
        let short = x.shape().dims()[0] / 2;
        let first = x.narrow(0, 0, short);
        shifts.fold(first, |sum, s| sum * x.narrow(0, s, s + short) + y.narrow(0, s, s + short).flip(&[0]))
    });
}

/// What is compiled for a width is of that width, where the CPU has it.
#[cfg(target_arch = "x86_64")]
#[test]
fn registers_are_as_wide_as_asked() {
    let graph = graph(dtype::f64, 1000, |x, y| vec![x * y + x]);
    let listing = |width| {
        let options = Options::default().forms(Forms::FORWARD).width(width).listing(Listing::Code);
        Program::compile(&graph, &options).unwrap().report().assembly.clone()
    };
    let narrow = listing(VectorWidth::Bits128);
    assert!(!narrow.contains("ymm") && !narrow.contains("zmm"));
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        let wide = listing(VectorWidth::Bits256);
        assert!(wide.contains("ymm") && !wide.contains("zmm"), "{wide}");
        if std::arch::is_x86_feature_detected!("avx512f") {
            assert!(listing(VectorWidth::Bits512).contains("zmm"));
            assert!(listing(VectorWidth::Widest).contains("zmm"));
        }
    }
}
