//! Mistakes in authoring: `finish` returns the first one, and its text names the
//! op, the shapes, the axis, the operands and the line that made it.

use cotangent::graph::{GraphErrorKind, MAX_TENSOR_BYTES};
use cotangent::ops::{self, Attr, Op, OpError, make};
use cotangent::{Builder, Graph, GraphError, KeepDims, LossReduction, Shape, Triangle, Var, dtype};

/// Two inputs and a mistake; the mistake must be named by all `parts` and by
/// the line that `mistake` is given as having made it.
#[track_caller]
fn check(
    line: u32,
    mistake: impl for<'b> Fn(&'b Builder, Var<'b>, Var<'b>) -> Var<'b>,
    parts: &[&str],
) -> GraphError {
    let g = Builder::new();
    let (a, b) = (g.input("left", dtype::f64, [2, 3]), g.input("right", dtype::f64, [4]));
    let wrong = mistake(&g, a, b);
    assert!(wrong.id().is_none(), "{wrong:?}");
    assert_eq!((wrong.ty(), wrong.shape()), (None, Shape::scalar()));
    let error = g.finish(&[wrong]).unwrap_err();
    let text = error.to_string();
    for part in parts.iter().copied().chain([format!("authoring.rs:{line}").as_str()]) {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert_eq!(error.location().unwrap().line(), line);
    error
}

/// `case!(|g, a, b| mistake => parts)`, all on one line: the line of the mistake.
macro_rules! case {
    (|$g:pat_param, $a:pat_param, $b:pat_param| $wrong:expr => $($part:literal),*) => {
        check(line!(), |$g, $a, $b| $wrong, &[$($part),*])
    };
}

#[test]
fn shapes_and_axes_are_named() {
    case!(|_, a, b| a + b => "add: ", "[2,3]", "[4]", "do not broadcast", "%0 \"left\": f64[2,3]", "%1 \"right\": f64[4]");
    case!(|_, a, b| (a * 2.0).exp() - b => "node n3: sub: ", "[2,3] and [4]", "%4: f64[2,3]", "right");
    case!(|_, a, b| a.matmul(b) => "matvec: ", "[2,3] and [4]", "left", "right");
    case!(|_, a, _| a.matmul(a) => "matmul: ", "[2,3] and [2,3] differ in the inner axis", "left");
    case!(|_, a, b| b.matmul(a) => "vecmat: ", "[4] and [2,3]");
    case!(|_, a, b| b.linear(a, None) => "linear: ", "[4] and [2,3]", "right");
    case!(|_, a, b| a.linear(a, Some(b)) => "linear: ", "a bias (o)", "[2,3] and [4]", "right");
    case!(|_, a, b| a.mse(b, LossReduction::Mean) => "mse: ", "[2,3] and [4] must be equal", "left", "right");
    case!(|_, a, b| a.concat(&[b], 0) => "concat: ", "[2,3] and [4] differ outside the joined axis");
    case!(|_, a, _| a.reshape([7]) => "reshape: ", "[2,3] and [7] have different numbers of elements", "left");
    case!(|_, a, _| a.broadcast_to([3, 2]) => "broadcast_to: ", "[2,3] and [3,2] do not broadcast", "left");
    case!(|_, a, _| a.sum_over(&[2], KeepDims::No) => "sum: axis 2 ", "[2,3]", "left");
    case!(|_, a, _| a.sum_over(&[-3], KeepDims::No) => "sum: axis -3 ", "[2,3]", "left");
    case!(|_, a, _| a.mean_over(&[0, -2], KeepDims::No) => "mean: axes [0, 0] of shape [2,3]", "distinct", "left");
    case!(|_, a, _| a.reduce_max_over(&[isize::MIN], KeepDims::No) => "reduce_max: axis -9", "left");
    case!(|_, a, _| a.logsumexp(&[isize::MAX], KeepDims::Yes) => "logsumexp: axis 9", "left");
    case!(|_, a, _| a.softmax(2) => "softmax: axis 2 ", "[2,3]", "left");
    case!(|_, _, b| b.log_softmax(-2) => "log_softmax: axis -2 ", "[4]", "right");
    case!(|_, a, _| a.flip(&[1, 1]) => "flip: axes [1, 1]", "left");
    case!(|_, a, b| a.concat(&[b], 2) => "concat: axis 2 ", "[2,3]", "left");
    case!(|_, a, _| a.split(-3, &[1, 1])[1] => "split: axis -3 ", "[2,3]", "left");
    case!(|_, a, _| a.split(1, &[1, 1])[0] => "split: sizes: [1, 1] do not add up to axis 1 of [2,3]", "left");
    case!(|_, a, _| a.permute(&[0, 0]) => "permute: perm: [0, 0] is not a permutation of the axes of [2,3]", "left");
    case!(|_, a, _| a.narrow(2, 0, 1) => "slice: axis 2 ", "[2,3]", "left");
    case!(|_, a, _| a.narrow(-1, 2, 4) => "slice: shape [2,3]: range 2..4 of axis 1 is not within 0..3", "left");
    case!(|_, a, _| a.slice(&[0], &[1], &[1]) => "slice: shape [2,3]: ", "one entry per axis", "left");
    case!(|_, a, _| a.slice(&[0, 0], &[1, 1], &[1, 0]) => "slice: shape [2,3]: step 0 of axis 1", "left");
    case!(|_, a, _| a.pad(&[(1, 1)], 0.0) => "pad: shape [2,3]: ", "one entry per axis", "left");
    case!(|_, a, _| a.at(2) => "at: ", " 2 ", "out of range", "[2,3]", "left");
}

#[test]
fn systems_that_do_not_fit_are_named() {
    case!(|_, a, _| a.det() => "det: ", "[2,3]", "square matrix", "left");
    case!(|_, a, _| a.matmul(a.transpose()).solve(a.transpose()) => "solve: ", "[2,2] and [3,2]", "as many rows");
    case!(|_, a, b| a.matmul(a.transpose()).solve(b) => "solve: ", "[2,2] and [4,1]", "as many rows");
    case!(|_, _, b| b.solve(b) => "solve: ", "[4]", "square matrix", "right");
    case!(|_, a, b| b.recurrence(a, 0) => "recurrence: ", "[2,3] and [4] must be equal", "left", "right");
    case!(|_, a, _| a.cumsum(2) => "cumsum: axis 2 ", "[2,3]", "left");
    case!(|_, a, _| a.gt(a).argsort(0) => "argsort: operand 0 has type bool, expected a number");
}

#[test]
fn systems_broadcast_their_leading_axes() {
    let g = Builder::new();
    let a = g.input("a", dtype::f64, [2, 1, 3, 3]);
    let (vector, columns) = (g.input("b", dtype::f64, [3]), g.input("c", dtype::f64, [4, 3, 5]));
    assert_eq!(a.solve(vector).shape(), Shape::new(&[2, 1, 3]));
    assert_eq!(a.solve(columns).shape(), Shape::new(&[2, 4, 3, 5]));
    assert_eq!(a.triangular_solve(columns, Triangle::LOWER).shape(), Shape::new(&[2, 4, 3, 5]));
    assert_eq!(a.det().shape(), Shape::new(&[2, 1]));
}

#[test]
fn element_types_are_named() {
    case!(|_, a, _| a + a.cast(dtype::f32) => "add: element types f64 and f32 differ", "cast", "left", "%2: f32[2,3]");
    case!(|_, a, _| a.cast(dtype::i64).exp() => "exp: operand 0 has type i64, expected f64 or f32", "%2: i64[2,3]");
    case!(|_, a, _| a.and(a) => "logical_and: operand 0 has type f64, expected bool", "left");
    case!(|_, a, b| a.select(b, b) => "where: operand 0 has type f64, expected bool", "left", "right");
    case!(|_, a, b| a.index_select(0, b) => "index_select: operand 1 has type f64, expected i64", "left", "right");
    case!(|_, a, _| a.gt(a).eq(a.gt(a)) => "eq: operand 0 has type bool", "%2: bool[2,3]");
}

#[test]
fn constants_and_indices_are_checked() {
    case!(|g, _, _| g.constant_of([2, 2], [1.0, 2.0, 3.0]) => "constant: shape f64[2,2] needs 4 elements, got 3");
    case!(|g, _, _| g.constant_of([2], Vec::<i64>::new()) => "constant: shape i64[2] needs 2 elements, got 0");
    case!(|g, a, _| a.index_select(0, g.constant([1, 2_i64])) => "index_select: index 2 at position 1", "axis 0 of shape [2,3]", "left", "%2: i64[2]");
    case!(|g, a, _| a.index_select(-1, g.constant([-1_i64])) => "index_select: index -1 at position 0", "axis 1 of shape [2,3]");
    case!(|g, a, _| a.gather(1, g.full(dtype::i64, [2, 9], 3.0)) => "gather: index 3 at position 0", "axis 1", "[2,3]");
    case!(|g, a, _| a.index_add(0, g.constant([i64::MIN]), a.narrow(0, 0, 1)) => "index_add: index -9223372036854775808");
    case!(|g, a, _| a.scatter_add(0, g.full(dtype::i64, [2, 3], 2.0), a) => "scatter_add: index 2 at", "axis 0", "left");
    case!(|g, a, b| a.index_add(0, g.constant([0_i64]), b) => "index_add: ", "[1,3] and [4]", "right");
    case!(|g, a, _| a.gather(2, g.constant([0_i64])) => "gather: axis 2 ", "[2,3]", "left");
    case!(|_, a, _| a.gather(0, a.cast(dtype::i64).reshape([6])) => "gather: ", "[2,3] and [6] must agree", "left");
}

#[test]
fn ops_applied_by_hand_are_checked() {
    case!(|g, a, b| g.apply(make::neg(), &[a, b]) => "neg: takes 1 operands, got 2", "left", "right");
    case!(|g, _, _| g.apply(make::add(), &[]) => "add: takes 2 operands, got 0");
    case!(|g, a, _| g.apply(make::linear(), &[a]) => "linear: takes 2 to 3 operands, got 1", "left");
    case!(|g, _, _| g.apply(make::concat(0), &[]) => "concat: takes at least 1 operands, got 0");
    case!(|g, a, _| g.apply(Op::plain(ops::row_named("sum").unwrap()), &[a]) => "sum: has 2 attributes, got 0", "left");
    case!(|g, a, _| g.apply(make::powi(1 << 40), &[a]) => "powi: exponent: 1099511627776 is not a 32-bit", "left");
    let sum = ops::row_named("sum").unwrap();
    let wrong = Op::new(sum, vec![Attr::Int(0), Attr::Bool(true)]).unwrap_err();
    assert!(matches!(wrong, OpError::AttrKind { op: "sum", attr: "axes", .. }), "{wrong}");
    // Every row refuses attributes and operands that it cannot take, quietly.
    for row in ops::table() {
        let g = Builder::new();
        let inputs: Vec<_> = (0..6).map(|_| g.input("", dtype::bool, [0, 1 << 39])).collect();
        for count in 0..inputs.len() {
            g.apply(Op::plain(row), &inputs[..count]);
        }
    }
}

#[test]
fn sizes_are_computed_without_overflow() {
    const MAX: usize = usize::MAX;
    case!(|g, _, _| g.input("vast", dtype::f64, [MAX, MAX]) => "input: ", "f64[18446744073709551615,18446744073709551615]");
    case!(|g, _, _| g.input("none", dtype::f64, [0, MAX, MAX]) => "input: ", "2^40 bytes");
    case!(|g, _, _| g.input("none", dtype::f64, [1 << 63, 0]) => "input: ", "2^40 bytes");
    case!(|g, _, _| g.input("long", dtype::f64, vec![2; 64]) => "input: ", "2^40 bytes");
    case!(|g, _, _| g.constant_of([MAX, 2], [0.0]) => "constant: ", "2^40 bytes");
    case!(|g, _, _| g.full(dtype::f32, [1 << 39], 0.0) => "const: ", "f32[549755813888]", "2^40 bytes");
    case!(|_, a, _| a.broadcast_to([MAX, 2, 3]) => "broadcast_to: ", "left");
    case!(|_, a, _| a.reshape([MAX, MAX]) => "reshape: ", "left");
    case!(|_, a, _| a.reshape([0, MAX]) => "reshape: ", "left");
    case!(|_, a, _| a.pad(&[(MAX, 1), (0, 0)], 0.0) => "pad: ", "left");
    case!(|_, a, _| a.pad(&[(MAX >> 2, MAX >> 2), (0, 0)], 0.0) => "pad: ", "left");
    case!(|g, a, _| g.apply(make::pad(&[0; 2], &[0; 2], &[MAX; 2], 0.0), &[a]) => "pad: ", "left");
    case!(|_, a, _| a.slice(&[MAX, MAX], &[MAX, MAX], &[MAX, MAX]) => "slice: ", "left");
    case!(|_, a, _| a.narrow(0, MAX, 0) => "slice: ", "left");
    case!(|_, a, _| a.split(0, &[MAX, MAX])[0] => "split: ", "left");
    case!(|_, a, _| a.permute(&[MAX, 0]) => "permute: ", "left");
    case!(|_, a, _| a.at(MAX) => "at: ", "left");
    for product in [|a, b| a + b, |a: Var<'static>, b| a.matmul(b)] {
        let g: &'static Builder = Box::leak(Box::default());
        let (tall, wide) =
            (g.input("tall", dtype::f64, [1 << 20, 1]), g.input("wide", dtype::f64, [1, 1 << 20]));
        let error = g.finish(&[product(tall, wide)]).unwrap_err().to_string();
        assert!(error.contains(": result f64[1048576,1048576] is larger than 2^40 bytes"), "{error}");
    }
}

#[test]
fn huge_tensors_are_only_described() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1_000_000_000]);
    let mask = g.input("mask", dtype::bool, [MAX_TENSOR_BYTES as usize]);
    let y = (x * g.full(dtype::f64, [1_000_000_000], 3.0)).sum();
    let graph = g.finish(&[y, mask.not()]).unwrap();
    assert_eq!(graph.shape(graph.outputs()[1]).dims(), [1 << 40]);

    let past = g.input("late", dtype::bool, [(1 << 40) + 1]);
    assert!(past.id().is_none());
    let twice = Builder::new();
    let mask = twice.input("mask", dtype::bool, [1 << 40]);
    let error = twice.finish(&[mask.concat(&[mask], 0)]).unwrap_err().to_string();
    assert!(error.contains("concat: result bool[2199023255552] is larger than 2^40 bytes"), "{error}");
}

#[test]
fn inputs_come_first_and_once() {
    case!(|g, a, _| { a.exp(); g.input("late", dtype::f64, ()) } => "input \"late\": inputs must be declared before the first operation");
    case!(|g, _, _| { g.scalar(1.0); g.input("late", dtype::f64, ()) } => "input \"late\": inputs must be declared before");
    case!(|g, _, _| g.input("right", dtype::f32, [9]) => "input \"right\" is declared twice");
    let g = Builder::new();
    let nameless = [g.input("", dtype::f64, ()), g.input("", dtype::f64, ())];
    assert_eq!(g.finish(&nameless).unwrap().inputs().len(), 2, "a nameless input is no duplicate");
}

#[test]
fn the_first_error_wins() {
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f64, [2]), g.input("b", dtype::f64, [3]));
    let line = line!() + 1;
    let wrong = a + b;
    let _ = (a.softmax(7), g.input("a", dtype::f64, ()), b.reshape([9]), g.constant_of([2], [1.0, 2.0, 3.0]));
    let first = g.finish(&[wrong]).unwrap_err();
    assert_eq!(first.location().unwrap().line(), line);
    assert!(matches!(first.kind(), GraphErrorKind::Op(OpError::Shapes { op: "add", .. })));
    assert_eq!(g.finish(&[a]).unwrap_err(), first, "an error stays, whatever the outputs");
    assert_eq!(g.finish(&[]).unwrap_err(), first);
}

#[test]
fn operations_after_an_error_are_harmless() {
    let g = Builder::new();
    let a = g.input("a", dtype::f64, [2, 3]);
    let x = a.softmax(9);
    let many = [
        [x + a, a - x, x * x, 1.0 / x, x / 2.0, -x, x.exp(), x.sum(), x.reduce_max(), x.mean()],
        [
            x.sum_over(&[5], KeepDims::No),
            x.softmax(-8),
            x.reshape([7]),
            x.broadcast_to([1]),
            x.permute(&[4]),
            x.transpose(),
            x.at(3),
            x.narrow(6, 5, 4),
            x.flip(&[-1]),
            x.pad(&[(1, 1)], 0.5),
        ],
        [
            x.slice(&[1], &[2], &[0]),
            x.concat(&[a], 3),
            a.concat(&[x], 0),
            x.cast(dtype::bool),
            x.matmul(a),
            a.matmul(x),
            x.linear(a, None),
            a.linear(a, Some(x)),
            x.powf(2.0),
            x.powi(-1),
        ],
        [
            x.index_select(3, a),
            a.gather(0, x),
            x.scatter_add(0, a, a),
            x.mse(a, LossReduction::None),
            x.select(a, a),
            x.gt(a),
            a.le(x),
            x.clamp(1.0, 0.0),
            x.detach(),
            x.not(),
        ],
    ];
    assert!(many.iter().flatten().all(|v| v.id().is_none() && v.ty().is_none()));
    assert_eq!(format!("{x:?}"), "Var(after an error)");
    assert_eq!(x.split(0, &[1, 2, 3]).len(), 3);
    assert_eq!(a.split(0, &[1, 2, 3]).len(), 3);
    let more = (a.exp(), g.input("late", dtype::f64, ()), g.constant([1.0]));
    assert!(more.0.id().is_some());
    let error = g.finish(&[more.0]).unwrap_err();
    assert!(error.to_string().starts_with("softmax: axis 9 "), "{error}");
}

#[test]
fn variables_of_another_builder() {
    let (g, other) = (Builder::new(), Builder::new());
    let (a, foreign) = (g.input("a", dtype::f64, [2]), other.input("a", dtype::f64, [2]));
    let line = line!() + 1;
    let wrong = a + foreign;
    assert!(wrong.id().is_none());
    let error = g.finish(&[a]).unwrap_err();
    assert!(matches!(error.kind(), GraphErrorKind::ForeignVariable { op: "add", operand: 1 }));
    let text = error.to_string();
    assert!(text.contains("add: operand 1 belongs to another graph"), "{text}");
    assert!(text.contains(&format!("authoring.rs:{line}")), "{text}");

    assert!(
        foreign.concat(&[foreign, a], 0).id().is_none(),
        "the error belongs to the first operand's builder"
    );
    assert!(
        other.finish(&[]).unwrap_err().to_string().contains("concat: operand 2 belongs to another graph")
    );

    let (g, other) = (Builder::new(), Builder::new());
    let (a, foreign) = (g.input("a", dtype::f64, [2]), other.input("a", dtype::f64, [2]));
    let error = g.finish(&[a, foreign]).unwrap_err();
    assert!(matches!(error.kind(), GraphErrorKind::ForeignVariable { op: "finish", operand: 1 }), "{error}");
    assert!(other.finish(&[foreign]).is_ok());
}

/// Errors can be sent, boxed and compared like those of other crates.
#[test]
fn errors_have_the_common_traits() {
    fn common<T: std::error::Error + Clone + PartialEq + Send + Sync + 'static>() {}
    common::<GraphError>();
    common::<OpError>();
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Graph>();
}
