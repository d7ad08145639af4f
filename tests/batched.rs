//! Many points at once give the bits of one point at a time: at every width, for every number of
//! points around whole registers and blocks, in every layout, form and element type.
#![cfg(feature = "jit")]

mod support;

use cotangent::{
    BatchWorkspace, Builder, DType, Forms, Graph, KeepDims, OptLevel, Options, Points, PointsMut, Program,
    RunError, Var, VectorWidth, dtype, value_and_jacobian,
};
use support::Rng;
use support::points::Tables;

const WIDTHS: [VectorWidth; 4] =
    [VectorWidth::Bits128, VectorWidth::Bits256, VectorWidth::Bits512, VectorWidth::Widest];

fn forms(graph: &Graph) -> Vec<Forms> {
    let scalar = graph.outputs().len() == 1 && graph.ty(graph.outputs()[0]).numel() == 1;
    let last = if scalar { Forms::VALUE_AND_GRAD } else { Forms::FORWARD };
    vec![Forms::FORWARD, Forms::VJP, Forms::JVP, last]
}

/// Compares for some numbers of points, at every width. Returns the lanes at the widest.
fn check_points(name: &str, graph: &Graph, sizes: impl Iterator<Item = usize> + Clone) -> usize {
    let forms = forms(graph);
    let all = forms.iter().fold(Forms::FORWARD, |all, &form| all | form);
    let options = Options::default().forms(all);
    let program = Program::compile(graph, &options).unwrap();
    let mut ws = program.workspace();
    let mut lanes = 0;
    for width in WIDTHS {
        for opt in [OptLevel::Full, OptLevel::None] {
            let batched = Program::batched(graph, &options.clone().width(width).opt(opt)).unwrap();
            let mut batch_ws = batched.workspace();
            lanes = batched.lanes();
            for n in sizes.clone() {
                for &form in &forms {
                    let mut rng = Rng(n as u64 * 7 + 1);
                    let mut want = Tables::random(graph, form, n, &mut rng);
                    let mut got = want.clone();
                    want.one_by_one(&program, form, &mut ws, n).unwrap();
                    got.batched(&batched, form, &mut batch_ws, n).unwrap();
                    assert!(
                        got.bits() == want.bits(),
                        "{name}: {form:?} of {n} points at {width:?}, {opt:?}"
                    );
                }
            }
        }
    }
    lanes
}

/// The lanes that a graph of this type should get.
fn expected_lanes(ty: DType) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("fma") {
            return if has!("avx512f") { 64 } else { 32 } / ty.size();
        }
    }
    1
}

/// One number and its negative.
fn constant(g: &Builder, ty: DType, x: f64) -> Var<'_> {
    match ty {
        DType::F32 => g.constant([x as f32, -x as f32]),
        _ => g.constant([x, -x]),
    }
}

/// Around whole registers and blocks.
const SIZES: [usize; 13] = [0, 1, 2, 7, 8, 9, 16, 17, 33, 64, 65, 255, 300];

/// In f64 and f32, in lanes.
fn check(name: &str, build: fn(DType) -> Graph) {
    for ty in [dtype::f64, dtype::f32] {
        let lanes = check_points(&format!("{name} of {ty:?}"), &build(ty), SIZES.into_iter());
        assert_eq!(lanes, expected_lanes(ty), "{name} of {ty:?}");
    }
}

fn rosenbrock(ty: DType) -> Graph {
    let g = Builder::new();
    let x = g.input("x", ty, [2]);
    let loss = (x.at(1) - x.at(0).square()).square() * 100.0 + (1.0 - x.at(0)).square();
    g.finish(&[loss]).unwrap()
}

#[test]
fn any_number_of_points() {
    for ty in [dtype::f64, dtype::f32] {
        let sizes = (0..=70).chain([127, 128, 129, 255, 256, 257, 511, 1000, 3001]);
        let lanes = check_points("rosenbrock", &rosenbrock(ty), sizes);
        assert_eq!(lanes, expected_lanes(ty));
    }
}

/// Inputs and outputs of several types and shapes, one not read, one given back, constants.
#[test]
fn arguments() {
    check("arguments", |ty| {
        let g = Builder::new();
        let (a, b) = (g.input("a", ty, [2, 3]), g.input("b", ty, ()));
        let (_, mask) = (g.input("unread", dtype::i64, [4]), g.input("mask", dtype::bool, [3]));
        let c = a.matmul(a.transpose()) * b;
        let chosen = mask.select(a.narrow(0, 0, 1).reshape([3]), b);
        let ones = constant(&g, ty, 1.0);
        let empty = a.narrow(0, 0, 0);
        g.finish(&[c, a, chosen, a.narrow(0, 1, 2).reshape([3]).lt(b).and(mask), ones, c, mask, empty])
            .unwrap()
    });
}

#[test]
fn arithmetic() {
    check("arithmetic", |ty| {
        let g = Builder::new();
        let (x, y) = (g.input("x", ty, [3]), g.input("y", ty, [3]));
        let a = (x + y) * (x - y) / y.abs() - (-x).recip();
        let b = (x.square() + y.abs()).sqrt() + x.mul_add(y, x);
        let c = x.floor() + y.ceil() * x.round_even() + x.maximum(y) - x.minimum(y) + x.relu() * y.sign();
        g.finish(&[a, b, c, a.dot(b), (a * c).sum()]).unwrap()
    });
}

#[test]
fn masks() {
    check("masks", |ty| {
        let g = Builder::new();
        let (x, y) = (g.input("x", ty, [2]), g.input("y", ty, [2]));
        let both = x.lt(y).and(x.ne(y)).or(y.le(x).not());
        let z = both.select(x * y, y - x) + x.eq(y).xor(x.le(y)).select(y, x) * both.cast(ty);
        let fixed = g.constant([true, false]).select(x, y);
        g.finish(&[both, z, fixed, x.cast(dtype::bool), both.not().and(x.lt(y)).xor(x.eq(y))]).unwrap()
    });
}

/// Functions that are called, one after another and side by side, with results that are outputs.
#[test]
fn functions() {
    check("functions", |ty| {
        let g = Builder::new();
        let (x, y) = (g.input("x", ty, [5]), g.input("y", ty, [5]));
        let e = x.exp();
        let chain = (e * y.sin() + x.tanh()).abs().log1p().sigmoid();
        let pairs = x.abs().pow(y) + y.atan2(x) * x.erf();
        g.finish(&[e, chain, e, pairs.cos(), constant(&g, ty, 2.0).exp(), pairs]).unwrap()
    });
    check("loss", |ty| {
        let g = Builder::new();
        let (x, w) = (g.input("x", ty, [4]), g.input("w", ty, [3, 4]));
        g.finish(&[w.matmul(x.reshape([4, 1])).tanh().square().sum() + x.logsumexp(&[0], KeepDims::No)])
            .unwrap()
    });
}

#[test]
fn jacobians() {
    check("jacobian", |ty| {
        let g = Builder::new();
        let x = g.input("x", ty, [3]);
        let r = x.norm2();
        let polar = [r, (x.at(2) / r).acos(), x.at(1).atan2(x.at(0))];
        let graph = g.finish(&[polar[0].stack(&polar[1..], 0)]).unwrap();
        value_and_jacobian(&graph, &[0]).unwrap().into_graph()
    });
}

/// More values than registers, pieces of bounded size, rows that are used again.
#[test]
fn crowded() {
    check("crowded", |ty| {
        let g = Builder::new();
        let (x, y) = (g.input("x", ty, [40]), g.input("y", ty, ()));
        let mut terms: Vec<Var<'_>> = (0..40).map(|i| x.at(i) * f64::from(i as u32) + y).collect();
        for round in 0..30 {
            let before = terms.clone();
            for (i, term) in terms.iter_mut().enumerate() {
                *term = *term * before[(i * 7 + round) % 40] + before[(i + 1) % 40];
            }
            if round % 10 == 3 {
                terms.iter_mut().step_by(3).for_each(|term| *term = term.tanh());
            }
        }
        g.finish(&[terms.iter().skip(1).fold(terms[0], |sum, &t| sum * 0.5 + t)]).unwrap()
    });
}

/// Outputs without an element: no code at all.
#[test]
fn nothing() {
    for ty in [dtype::f64, dtype::f32] {
        let g = Builder::new();
        let x = g.input("x", ty, [2]);
        let graph = g.finish(&[x.narrow(0, 1, 1), g.constant([true]).narrow(0, 0, 0)]).unwrap();
        check_points("nothing", &graph, SIZES.into_iter());
    }
}

/// What has no lanes runs point by point.
#[test]
fn without_lanes() {
    for ty in [dtype::f64, dtype::f32] {
        let g = Builder::new();
        let (x, i) = (g.input("x", ty, [6]), g.input("i", dtype::i64, [2]));
        let graph = g.finish(&[x.index_select(0, i).exp(), x.cumsum(0), i]).unwrap();
        assert_eq!(check_points("an index", &graph, SIZES.into_iter()), 1);
        let g = Builder::new();
        let x = g.input("x", ty, [6]);
        let other = if ty == dtype::f64 { dtype::f32 } else { dtype::f64 };
        let graph = g.finish(&[x.square().cast(other).sum()]).unwrap();
        assert_eq!(check_points("two types", &graph, SIZES.into_iter()), 1);
    }
}

/// The point that fails is named.
#[test]
fn nothing_to_compute() {
    let text = "cotangent graph v1\n%0 = const {data=[]}: f64[0,8]\noutput %0\n";
    check_points("an empty result", &Graph::parse(text).unwrap(), [0, 1, 9].into_iter());
}

#[test]
fn the_first_point_that_fails() {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [3]), g.input("i", dtype::i64, [1]));
    let batched = Program::batched(&g.finish(&[x.index_select(0, i)]).unwrap(), &Options::default()).unwrap();
    let (x, mut i, mut out) = ([1.0, 2.0, 3.0], [2i64; 500], [0.0; 500]);
    (i[300], i[77]) = (9, -1);
    let mut call = |ws: &mut BatchWorkspace| {
        let inputs = [Points::shared(&x), Points::by_point(&i)];
        batched.forward(ws, 500, &inputs, &mut [PointsMut::by_point(&mut out)])
    };
    pool(7).install(|| {
        for threads in [1, 2, 7] {
            let error = call(&mut batched.parallel_workspace(threads)).unwrap_err();
            assert!(matches!(error, RunError::AtPoint { point: 77, .. }), "{error}");
            assert!(error.to_string().starts_with("point 77: node"), "{error}");
        }
    });
}

/// As many threads as a test asks for, on any machine.
fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// The bits do not depend on the number of threads.
#[test]
fn threads() {
    pool(8).install(bits_on_threads);
}

fn bits_on_threads() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [4]), g.input("y", dtype::f64, ()));
    let graph = g.finish(&[(x.exp() * y).sum().sin()]).unwrap();
    for width in [VectorWidth::Bits128, VectorWidth::Widest] {
        let batched = Program::batched(&graph, &Options::default().width(width)).unwrap();
        for n in [0, 1, 63, 64, 65, 1000, 10_000] {
            let mut one = Tables::random(&graph, Forms::VALUE_AND_GRAD, n, &mut Rng(n as u64));
            let fresh = one.clone();
            one.batched(&batched, Forms::VALUE_AND_GRAD, &mut batched.workspace(), n).unwrap();
            for threads in [2, 3, 8] {
                let (mut many, mut ws) = (fresh.clone(), batched.parallel_workspace(threads));
                many.batched(&batched, Forms::VALUE_AND_GRAD, &mut ws, n).unwrap();
                assert!(many.bits() == one.bits(), "{n} points on {threads} threads");
            }
        }
    }
}

/// There is room for as many threads as the pool has, whatever is asked for.
#[test]
fn more_threads_than_there_are() {
    let graph = rosenbrock(dtype::f64);
    let batched = Program::batched(&graph, &Options::default()).unwrap();
    let mut one = Tables::random(&graph, Forms::VALUE_AND_GRAD, 1000, &mut Rng(1));
    let mut many = one.clone();
    one.batched(&batched, Forms::VALUE_AND_GRAD, &mut batched.workspace(), 1000).unwrap();
    pool(3).install(|| {
        let counts = [0, 2, 3, 4, usize::MAX].map(|threads| batched.parallel_workspace(threads).threads());
        assert_eq!(counts, [1, 2, 3, 3, 3]);
        let mut ws = batched.parallel_workspace(usize::MAX);
        many.batched(&batched, Forms::VALUE_AND_GRAD, &mut ws, 1000).unwrap();
    });
    assert!(many.bits() == one.bits());
}

#[test]
fn what_does_not_fit_is_refused() {
    let batched = Program::batched(&rosenbrock(dtype::f64), &Options::default()).unwrap();
    let mut ws = batched.workspace();
    let x = [0.5; 20];
    let mut call = |n: usize, inputs: &[Points<'_>], value: PointsMut<'_>, gradient: PointsMut<'_>| {
        let result = batched.value_and_grad(&mut ws, n, inputs, value, &mut [gradient]);
        result.map_err(|error| error.to_string()).err().unwrap_or_default()
    };
    let (mut v, mut d) = ([0.0; 10], [0.0; 20]);
    macro_rules! refused {
        ($n:expr, $inputs:expr, $value:expr, $gradient:expr, $text:expr) => {
            let got = call($n, &$inputs, $value, $gradient);
            assert_eq!(got, $text);
        };
    }
    let (by_point, by_element) = (|x| Points::by_point(x), |x| Points::by_element(x));
    let all: &[f64] = &x;
    refused!(10, [by_point(all)], PointsMut::by_point(&mut v), PointsMut::by_point(&mut d), "");
    refused!(
        9,
        [by_point(all)],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        "input 0: expected 18 elements for 9 points of f64[2], got 20"
    );
    refused!(
        10,
        [by_element(&all[1..])],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        "input 0: expected 20 elements for 10 points of f64[2], got 19"
    );
    refused!(
        10,
        [Points::shared(all)],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        "input 0: expected 2 elements for 10 points of f64[2], got 20"
    );
    refused!(
        10,
        [Points::strided(all, 2, 3)],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        "input 0: expected at least 22 elements for 10 points of f64[2], got 20"
    );
    refused!(
        10,
        [Points::strided(all, usize::MAX, 3)],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        format!("input 0: expected at least {} elements for 10 points of f64[2], got 20", usize::MAX)
    );
    refused!(
        usize::MAX,
        [by_point(all)],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        format!("input 0: expected at least {0} elements for {0} points of f64[2], got 20", usize::MAX)
    );
    refused!(
        10,
        [Points::by_point(&[0.5f32; 20])],
        PointsMut::by_point(&mut v),
        PointsMut::by_point(&mut d),
        "input 0: expected f64[2], got a slice of f32"
    );
    refused!(10, [], PointsMut::by_point(&mut v), PointsMut::by_point(&mut d), "expected 1 inputs, got 0");
    refused!(
        10,
        [by_point(all)],
        PointsMut::by_point(&mut v[1..]),
        PointsMut::by_point(&mut d),
        "output 0: expected 10 elements for 10 points of f64[], got 9"
    );
    let overlap =
        "gradient 0: strides of 1 (points) and 1 (elements of f64[2]) put two elements in one place";
    refused!(10, [by_point(all)], PointsMut::by_point(&mut v), PointsMut::strided(&mut d, 1, 1), overlap);
    refused!(
        10,
        [by_point(all)],
        PointsMut::strided(&mut v, 0, 5),
        PointsMut::by_point(&mut d),
        "output 0: strides of 0 (points) and 5 (elements of f64[]) put two elements in one place"
    );
    // A point that may be anywhere is not asked where the next one is.
    refused!(
        1,
        [Points::strided(all, 0, 1)],
        PointsMut::strided(&mut v, 0, 0),
        PointsMut::strided(&mut d, 0, 19),
        ""
    );
    let other = Program::batched(&rosenbrock(dtype::f64), &Options::default()).unwrap();
    let error = other.forward(&mut ws, 0, &[Points::by_point(&[0.0; 0])], &mut []).unwrap_err();
    assert_eq!(error, RunError::ForeignWorkspace);
    let forward =
        Program::batched(&rosenbrock(dtype::f64), &Options::default().forms(Forms::FORWARD)).unwrap();
    let mut ws = forward.workspace();
    let error = forward.value_and_grad(&mut ws, 0, &[], PointsMut::by_point(&mut v), &mut []).unwrap_err();
    assert_eq!(error, RunError::NotCompiled { form: "Forms::VALUE_AND_GRAD" });
}
