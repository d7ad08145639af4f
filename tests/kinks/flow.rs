//! Choices about whole graphs: which seeds count, what stops a gradient, what
//! is refused.

use super::support::{Case, Column, levels, types, vector_forms};
use super::{INF, agreed};
use cotangent::tape::Tensor;
use cotangent::{Builder, Connection, Graph, KeepDims, Program, Tape, Var, dtype};

fn one_input(build: impl for<'b> Fn(Var<'b>) -> Vec<Var<'b>>) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    g.finish(&build(x)).unwrap()
}

/// A case of scalars: seeds at the outputs, and for the dense form only there.
fn case(graph: &Graph, x: f64, seed: f64) -> Case {
    let number = |x: f64| Column::F64(vec![x]);
    let mut dense: Vec<Column> = types(graph, graph.values()).iter().map(Column::zeros).collect();
    for o in graph.outputs() {
        dense[o.index()] = number(seed);
    }
    let seeds = graph.outputs().iter().map(|_| number(seed)).collect();
    Case { inputs: vec![number(x)], seeds, tangents: vec![number(1.0)], dense }
}

fn bits(x: f64) -> Vec<u64> {
    Column::F64(vec![x]).bits()
}

/// A branch that no seed reaches is skipped; the dense form counts every value
/// as seeded, zero seeds too, and there 0 * inf shows.
#[test]
fn a_dead_branch_that_holds_infinity() {
    let graph = one_input(|x| {
        let dead = x.recip();
        assert!(dead.id().is_some());
        vec![x * 3.0]
    });
    let all = agreed("dead branch", &graph, &case(&graph, 0.0, 1.0));
    assert_eq!(all.gradients[0], bits(3.0));
    assert_eq!(all.dense[0], bits(f64::NAN));

    let tape: Tape<'_> = Tape::compile(&graph, vec![Tensor::f64((), &[0.0]).unwrap()]).unwrap();
    let x = graph.input_values().next().unwrap();
    let dense = tape.backward_dense_all(graph.outputs()[0], Tensor::f64((), &[1.0]).unwrap()).unwrap();
    assert_eq!(dense[x.index()].as_ref().map(Tensor::to_f64), Some(vec![3.0]));
    assert_eq!(tape.backward_scalar(graph.outputs()[0]).unwrap()[&x].to_f64(), [3.0]);
}

/// A live path with an infinite slope is no dead branch: a zero seed gives NaN.
#[test]
fn a_zero_seed_still_meets_an_infinite_slope() {
    let graph = one_input(|x| vec![x.sqrt()]);
    assert_eq!(agreed("sqrt'(0) * 0", &graph, &case(&graph, 0.0, 0.0)).gradients[0], bits(f64::NAN));
}

/// A direction that is dead carries exactly zero, also of an infinite seed.
#[test]
fn dead_directions_stop_infinity() {
    type Make = for<'b> fn(Var<'b>) -> Var<'b>;
    let table: [(&str, f64, Make); 6] = [
        ("abs", 0.0, |x| x.abs()),
        ("relu", -1.0, |x| x.relu()),
        ("clamp", 2.0, |x| x.clamp(-1.0, 1.0)),
        ("maximum", -1.0, |x| x.maximum(x.builder().scalar(0.0))),
        ("minimum", 1.0, |x| x.minimum(x.builder().scalar(0.0))),
        ("where", -1.0, |x| x.gt(x.builder().scalar(0.0)).select(x, x.builder().scalar(0.0))),
    ];
    for (name, at, make) in table {
        let graph = one_input(|x| vec![make(x)]);
        let all = agreed(name, &graph, &case(&graph, at, INF));
        assert_eq!((all.gradients[0].clone(), all.dense[0].clone()), (bits(0.0), bits(0.0)), "{name}");
    }
}

/// No +0 is added on the way, so that a gradient of -0 keeps its sign; the
/// dense form has a zero seed on x to add it to.
#[test]
fn a_gradient_of_negative_zero_stays() {
    let graph = one_input(|x| vec![-x]);
    let all = agreed("-0", &graph, &case(&graph, 1.0, 0.0));
    assert_eq!(all.gradients[0], bits(-0.0));
    assert_eq!(all.dense[0], bits(0.0));
    let twice = one_input(|x| vec![-x, x * -1.0]);
    assert_eq!(agreed("-0 + -0", &twice, &case(&twice, 1.0, 0.0)).gradients[0], bits(-0.0));
}

#[test]
fn detach_stops_the_gradient() {
    let graph = one_input(|x| vec![x * x.detach()]);
    let all = agreed("x detach(x)", &graph, &case(&graph, 3.0, 1.0));
    assert_eq!((all.outputs[0].clone(), all.gradients[0].clone()), (bits(9.0), bits(3.0)));
    assert_eq!(all.tangents[0], bits(3.0));
    // What the value of a stopped branch is does not matter.
    let graph = one_input(|x| vec![x + x.recip().detach().log().detach()]);
    let all = agreed("stopped inf", &graph, &case(&graph, 0.0, 1.0));
    assert_eq!((all.outputs[0].clone(), all.gradients[0].clone()), (bits(INF), bits(1.0)));
}

/// Three kinds of zero gradient, told apart.
#[test]
fn zeros_say_why() {
    let g = Builder::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| g.input(n, dtype::f64, ()));
    let step = b.gt(g.scalar(0.0)).select(g.scalar(1.0), g.scalar(0.0));
    let graph = g.finish(&[a + step + c.detach() * 2.0]).unwrap();
    assert!(d.id().is_some());
    let want =
        [Connection::Connected, Connection::ZeroByRule, Connection::ZeroByRule, Connection::Disconnected];
    for options in levels() {
        let program = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        assert_eq!(program.connections(), want);
    }
    let one = || Tensor::f64((), &[1.0]).unwrap();
    let tape: Tape<'_> = Tape::compile(&graph, vec![one(), one(), one(), one()]).unwrap();
    let wrt: Vec<_> = graph.input_values().collect();
    let (grads, why): (Vec<_>, Vec<_>) = tape.vjp(vec![one()], &wrt).unwrap().into_iter().unzip();
    assert_eq!(why, want);
    assert_eq!(grads.iter().flat_map(Tensor::to_f64).collect::<Vec<f64>>(), [1.0, 0.0, 0.0, 0.0]);
}

/// A maximum or a mean of nothing is an error while the graph is built; an
/// index known then is checked then.
#[test]
fn what_has_no_value_is_refused() {
    let refused = |build: for<'b> fn(Var<'b>) -> Var<'b>, part: &str| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [0, 2]);
        let text = g.finish(&[build(x)]).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    refused(|x| x.reduce_max_over(&[0], KeepDims::No), "reduces an axis of length 0");
    refused(|x| x.mean_over(&[0], KeepDims::No), "reduces an axis of length 0");
    refused(|x| x.index_select(1, x.builder().constant([2i64])), "2");
    refused(|x| x.index_select(1, x.builder().constant([-1i64])), "-1");
}
