//! Every op at odd shapes: no element, one element, no axis, eight axes. What
//! can be authored compiles at every level and gives the bits of the tape.

use crate::support::{Case, levels, run, run_tape, vector_forms};
use cotangent::ops::{LossReduction, make};
use cotangent::{
    Builder, Conv, DType, Graph, KeepDims, PadCells, Pool, Program, Shape, Triangle, Var, dtype,
};

fn shapes() -> Vec<Shape> {
    let dims: [&[usize]; 16] = [
        &[],
        &[0],
        &[1],
        &[2],
        &[5],
        &[33],
        &[0, 3],
        &[3, 0],
        &[1, 1],
        &[2, 1],
        &[3, 3],
        &[2, 0, 3],
        &[2, 3, 2],
        &[1, 1, 1, 1, 1, 1, 1, 1],
        &[1, 2, 1, 3, 1, 2, 1, 1],
        &[2, 1, 0, 2, 1, 1, 2, 1],
    ];
    dims.iter().map(|&d| Shape::new(d)).collect()
}

type Make = for<'b> fn(&'b Builder, Var<'b>, Var<'b>) -> Option<Var<'b>>;

/// Makes a value of `a` and `b`, of one shape; `None` where the shape has no such op.
fn ops() -> Vec<(&'static str, Make)> {
    fn rank(v: Var<'_>) -> usize {
        v.shape().rank()
    }
    fn last(v: Var<'_>) -> Option<isize> {
        (rank(v) > 0).then_some(-1)
    }
    fn entries(v: Var<'_>, axis: usize) -> usize {
        v.shape().dims()[axis]
    }
    fn index<'b>(g: &'b Builder, n: usize) -> Var<'b> {
        g.constant_of([n], vec![0i64; n])
    }
    let table: Vec<(&'static str, Make)> = vec![
        ("arithmetic", |_, a, b| Some((a + b) * (a - b) / (a * 2.0 + 1.5) - b)),
        ("unary", |_, a, b| Some(-a.abs().sqrt() + b.square().recip() - a.sign())),
        ("transcendental", |_, a, b| Some(a.exp() + b.abs().log() + a.sin() * a.cos() + b.atan())),
        ("activations", |_, a, b| Some(a.tanh() + b.sigmoid() * a.softplus() - b.relu())),
        ("powers", |_, a, b| Some(a.abs().pow(b) + a.powi(3) + b.powf(2.0) + a.powi(0))),
        ("extrema", |_, a, b| Some(a.maximum(b) - a.minimum(b).clamp(-0.5, 0.5).scale(3.0))),
        ("where", |_, a, b| Some(a.lt(b).and(a.ne(b)).not().select(a, b))),
        ("detach", |_, a, b| Some(a.detach() * b)),
        ("sum", |_, a, b| Some(a.sum() + b.mean())),
        ("keepdims", |_, a, b| {
            Some(a.sum_over(&[last(a)?], KeepDims::Yes) * b.mean_over(&[0], KeepDims::Yes))
        }),
        ("sum of one axis", |_, a, b| Some(a.sum_over(&[0], KeepDims::No) + b.mean_over(&[0], KeepDims::No))),
        ("sum of no axis", |_, a, b| Some(a.sum_over(&[], KeepDims::No) + b.mean_over(&[], KeepDims::Yes))),
        ("reduce_max", |_, a, b| Some(a.reduce_max() + b.reduce_max_over(&[last(b)?], KeepDims::No).sum())),
        ("logsumexp", |_, a, b| Some(a.logsumexp(&[last(a)?], KeepDims::Yes) + b)),
        ("softmax", |_, a, b| Some(a.softmax(last(a)?) * b.log_softmax(0))),
        ("broadcast_to", |_, a, b| {
            let wide: Vec<usize> = [2].iter().chain(a.shape().dims()).copied().collect();
            Some(a.broadcast_to(wide.clone()) * b.broadcast_to(wide))
        }),
        ("broadcast", |_, a, b| Some(a.sum_over(&[0], KeepDims::Yes) + b)),
        ("reshape", |_, a, b| {
            let n = a.shape().numel();
            Some(a.reshape([n]).sin() * b.reshape([1, n, 1]).exp())
        }),
        ("permute", |_, a, b| {
            let perm: Vec<usize> = (0..rank(a)).rev().collect();
            Some(a.permute(&perm).exp() + b.permute(&perm))
        }),
        ("transpose", |_, a, b| Some(a.transpose() * b.transpose())),
        ("slice", |_, a, b| {
            let stop = a.shape();
            let start: Vec<usize> = stop.dims().iter().map(|&d| d.min(1)).collect();
            Some(
                a.slice(&start, stop.dims(), &vec![2; rank(a)])
                    * b.slice(&start, stop.dims(), &vec![2; rank(a)]),
            )
        }),
        ("empty slice", |_, a, b| {
            let zero = vec![0; rank(a)];
            Some(a.slice(&zero, &zero, &vec![3; rank(a)]) - b.slice(&zero, &zero, &vec![3; rank(a)]))
        }),
        ("flip", |_, a, b| Some(a.flip(&[0]) * b.flip(&[last(b)?]))),
        ("pad", |_, a, b| {
            let pads: Vec<(usize, usize)> = (0..rank(a)).map(|i| (i % 2, 2)).collect();
            Some(a.pad(&pads, 0.5) * b.sin().pad(&pads, -1.0))
        }),
        ("interior pad", |g, a, b| {
            let (lo, hi, inner) = (vec![1; rank(a)], vec![0; rank(a)], vec![2; rank(a)]);
            let op = make::pad(&lo, &hi, &inner, 0.25);
            Some(g.apply(op.clone(), &[a.exp()]) + g.apply(op, &[b]))
        }),
        ("concat", |_, a, b| Some(a.concat(&[b, a, b.sin(), a.exp(), b], last(a)?))),
        ("split", |_, a, b| {
            last(a)?;
            let n = entries(a, 0);
            let parts = a.sin().split(0, &[n / 2, 0, n - n / 2]);
            Some(parts[2].concat(&[parts[0], parts[1], b], 0))
        }),
        ("cast", |_, a, b| {
            let other = if a.ty()?.dtype == DType::F64 { dtype::f32 } else { dtype::f64 };
            Some(a.cast(other).square().cast(a.ty()?.dtype) + b.cast(dtype::i64).cast(a.ty()?.dtype))
        }),
        ("dot", |_, a, b| (rank(a) == 1).then(|| a.dot(b))),
        ("matmul", |_, a, b| (rank(a) >= 2).then(|| a.matmul(b.transpose()))),
        ("matmul by views", |_, a, b| {
            (rank(a) >= 2).then(|| a.transpose().matmul(b).exp().matmul(a.transpose()))
        }),
        ("matvec", |_, a, b| {
            (rank(a) == 2).then(|| {
                a.matmul(b.sum_over(&[0], KeepDims::No))
                    + a.sum_over(&[0], KeepDims::No).matmul(b.transpose())
            })
        }),
        ("linear", |_, a, b| {
            let w = if rank(a) == 2 { b } else { return None };
            Some(a.linear(w, None).linear(a.matmul(w.transpose()), Some(a.sum_over(&[1], KeepDims::No))))
        }),
        ("index_select", |g, a, b| {
            last(a)?;
            let n = if entries(a, 0) == 0 { 0 } else { 3 };
            Some(a.exp().index_select(0, index(g, n)) + b.index_select(0, index(g, n)))
        }),
        ("index_add", |g, a, b| {
            last(a)?;
            let n = entries(a, 0);
            Some(a.index_add(0, index(g, n), b.sin()))
        }),
        ("gather", |g, a, b| {
            last(a)?;
            let zeros = g.full(dtype::i64, a.shape(), 0.0);
            Some(a.gather(0, zeros) * b.scatter_add(-1, zeros, a))
        }),
        ("lenient gather", |g, a, b| {
            let axis = usize::try_from(rank(a) as isize - 1).ok()?;
            let far = g.full(dtype::i64, a.shape(), 4.0);
            let read = g.apply(make::gather(axis, true), &[a, far]);
            Some(read + g.apply(make::scatter_add(axis, true), &[b, far, a]))
        }),
        ("conv", |_, a, b| {
            let how = Conv::new().padding([1]);
            match rank(a) {
                2 => Some(a.conv(b.reshape([&[1], b.shape().dims()].concat()), None, &how)),
                3..=5 => Some(a.conv(b.sin(), None, &how.clone().groups(1))),
                _ => None,
            }
        }),
        ("conv_transpose", |_, a, b| {
            let w = match rank(a) {
                2 => b.reshape([b.shape().dims(), &[1]].concat()),
                3..=5 => b.transpose(),
                _ => return None,
            };
            Some(a.conv_transpose(w, None, &Conv::new().stride([2]).output_padding([1])))
        }),
        ("pools", |_, a, b| {
            let axes = rank(a).checked_sub(1).filter(|n| (1..4).contains(n))?;
            let pool = Pool::new(vec![2; axes]).stride(vec![1; axes]).padding(vec![1; axes]);
            Some(a.max_pool(&pool) * b.avg_pool(&pool, PadCells::LeftOut) + a.smooth_max_pool(&pool, 2.0))
        }),
        ("windows", |_, a, b| {
            let n = entries(a, last(a).map(|_| rank(a) - 1)?);
            let size = n.clamp(1, 2);
            Some(a.exp().unfold(&[size], &[1], &[1]).fold(&[n], &[1], &[1]) + b)
        }),
        ("embedding", |g, a, b| {
            last(a)?;
            let n = if entries(a, 0) == 0 { 0 } else { 2 };
            Some(a.sin().embedding(g.constant_of([n, 1], vec![0i64; n])) * b.embedding(index(g, 1)))
        }),
        ("mse", |_, a, b| Some(a.mse(b, LossReduction::Mean) + a.mse(b, LossReduction::None))),
        ("cumulative", |_, a, b| Some(a.cumsum(0) * b.cumprod(last(b)?) + a.recurrence(b, 0))),
        ("sort", |_, a, b| Some(a.sort(0) + b.exp().sort(last(b)?))),
        ("argsort", |_, a, b| Some(a.gather(0, b.argsort(0)))),
        ("systems", |_, a, b| {
            let square = matches!(a.shape().dims(), [.., m, n] if m == n);
            square.then(|| a.solve(b) + a.triangular_solve(b.sin(), Triangle::UPPER) + a.exp().inverse())
        }),
        ("determinants", |_, a, b| {
            let square = matches!(a.shape().dims(), [.., m, n] if m == n);
            square.then(|| a.det().sin() + (a + b).logabsdet())
        }),
        ("cholesky", |_, a, b| (rank(a) >= 2).then(|| a.matmul(b.transpose()).cholesky())),
        ("constants", |g, a, b| {
            let (n, ty) = (a.shape().numel(), a.ty()?);
            let ramp = g.constant_of(a.shape(), (0..n).map(|i| i as f64).collect::<Vec<_>>());
            Some(a * g.full(ty.dtype, a.shape(), 0.5) + ramp.cast(ty.dtype) * b)
        }),
    ];
    table
}

/// The graph of one op at one shape; `None` where it cannot be authored.
fn author(make: Make, dtype: DType, shape: &Shape) -> Option<Graph> {
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype, shape), g.input("b", dtype, shape));
    let y = make(&g, a, b)?;
    g.finish(&[y, y.sum(), a]).ok()
}

fn at_shapes(dtype: DType) {
    let (mut done, mut refused) = (0, Vec::new());
    for (name, make) in ops() {
        for shape in shapes() {
            let Some(graph) = author(make, dtype, &shape) else {
                refused.push(format!("{name} {shape}"));
                continue;
            };
            let case = Case::random(&graph, 3 + done);
            let want = run_tape(&graph, &case).unwrap_or_else(|e| panic!("tape: {name} {shape}: {e}"));
            for options in levels() {
                let how = (options.opt, options.tier);
                let program = Program::compile(&graph, &options.forms(vector_forms()));
                let program = program.unwrap_or_else(|e| panic!("{name} {shape} {how:?}: {e}"));
                let got = run(&program, &case).unwrap_or_else(|e| panic!("{name} {shape} {how:?}: {e}"));
                assert_eq!(got, want, "{name} {shape} {how:?}");
            }
            done += 1;
        }
    }
    println!("{dtype}: {done} graphs, not authored: {}", refused.join(", "));
    assert!(done >= 450, "only {done} graphs could be authored");
}

#[test]
fn every_op_at_odd_shapes_f64() {
    at_shapes(dtype::f64);
}

#[test]
fn every_op_at_odd_shapes_f32() {
    at_shapes(dtype::f32);
}
