//! Branches and loops that end when a value says so.

use crate::{bits, close};
use cotangent::{Builder, Graph, Var, dtype};

/// A branch on the sign of the first input, and the branch that it takes for a seed alone.
fn branch(taken: Option<bool>) -> Graph {
    fn then<'b>(w: Var<'b>, v: &[Var<'b>]) -> Vec<Var<'b>> {
        vec![w.matmul(v[1]).tanh() * v[0], v[1]]
    }
    fn otherwise<'b>(_: Var<'b>, v: &[Var<'b>]) -> Vec<Var<'b>> {
        vec![v[1].exp(), v[1] * v[0]]
    }
    let g = Builder::new();
    let (s, v, w) =
        (g.input("s", dtype::f64, ()), g.input("v", dtype::f64, [3]), g.input("w", dtype::f64, [3, 3]));
    let given = [s, v * 2.0];
    let out = match taken {
        None => g.cond(s.lt(g.scalar(0.0)), &given, |_, v| then(w, v), |_, v| otherwise(w, v)),
        Some(true) => then(w, &given),
        Some(false) => otherwise(w, &given),
    };
    g.finish(&[out[0], out[1] + s]).unwrap()
}

#[test]
fn the_branch_taken_is_differentiated() {
    for seed in 0..6 {
        let looped = branch(None);
        let s = match &crate::Case::random(&looped, seed).inputs[0] {
            crate::support::Column::F64(v) => v[0],
            other => panic!("{other:?}"),
        };
        let flat = branch(Some(s < 0.0));
        let (a, b) = (bits(&looped, seed), bits(&flat, seed));
        close(&a.outputs, &b.outputs, "outputs");
        close(&a.gradients, &b.gradients, "gradients");
        close(&a.tangents, &b.tangents, "tangents");
        let twice = |g: &Graph| cotangent::vjp(g, &[0, 1, 2]).unwrap().into_graph();
        let (a, b) = (bits(&twice(&looped), seed), bits(&twice(&flat), seed));
        close(&a.gradients, &b.gradients, "second order");
    }
}

#[test]
fn rules_of_branches_hold_exactly() {
    let g = Builder::new();
    let (s, v) = (g.input("s", dtype::f64, ()), g.input("v", dtype::f64, [2]));
    let out = g.cond(s.lt(g.scalar(0.0)), &[s, v], |_, v| vec![v[1] * v[0]], |_, v| vec![v[1] + 1.0]);
    let report = cotangent::check_rules(&g.finish(&out).unwrap(), &cotangent::CheckOptions::default());
    assert!(report.is_ok(), "{report}");
}

/// Newton's method for a square root: as many steps as it takes.
fn newton(written_out: Option<usize>) -> Graph {
    fn step<'b>(a: Var<'b>, x: Var<'b>) -> Var<'b> {
        (x + a / x) * 0.5
    }
    let g = Builder::new();
    let a = g.input("a", dtype::f64, ());
    let square = a.square() + 1.0;
    let last = match written_out {
        Some(n) => (0..n).fold(square, |x, _| step(square, x)),
        None => g.while_loop(
            50,
            &[square],
            |b, x| b.scalar(1e-9).lt((x[0].square() - square).abs()),
            |_, x| vec![step(square, x[0])],
        )[0],
    };
    g.finish(&[last]).unwrap()
}

#[test]
fn a_while_loop_is_the_steps_it_takes() {
    for seed in 0..4 {
        let a = bits(&newton(None), seed);
        let found = (0..50).find(|&n| bits(&newton(Some(n)), seed).outputs == a.outputs);
        let b = bits(&newton(Some(found.expect("the same as some number of steps"))), seed);
        close(&a.gradients, &b.gradients, "gradients");
        close(&a.tangents, &b.tangents, "tangents");
    }
}

#[test]
fn a_while_loop_ends_at_its_bound() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let always = g.constant_of((), [true]);
    let y = g.while_loop(5, &[x], |_, _| always, |_, x| vec![x[0] * 2.0]);
    let graph = g.finish(&y).unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let expected = bits(&g.finish(&[x * 32.0]).unwrap(), 3);
    let got = bits(&graph, 3);
    assert_eq!(
        (got.outputs, got.gradients, got.tangents),
        (expected.outputs, expected.gradients, expected.tangents)
    );
    let text = graph.to_string();
    assert_eq!(Graph::parse(&text).unwrap().to_string(), text);
}
