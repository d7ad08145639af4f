//! The first gradient that became NaN or infinite, where all values are finite.

use crate::support::{Case, Column, floats, fused};
use cotangent::check::{NonFinite, Quantity};
use cotangent::fuzzing::{Profile, Rng, generate};
use cotangent::tape::Tensor;
use cotangent::{
    Arg, ArgMut, Builder, Checked, CustomOp, CustomRule, Forms, Graph, Options, Program, RunError, Tape,
    ValueId, dtype,
};

/// What the tape says of a number's gradient, and that every compiled form with
/// a reverse sweep says the same.
fn first(graph: &Graph, x: &[f64], seed: f64) -> Option<NonFinite> {
    let wrt: Vec<_> = graph.input_values().collect();
    let tensor = |shape: &[usize], x: &[f64]| Tensor::f64(shape, x).expect("a tensor");
    let at = tensor(graph.shape(wrt[0]).dims(), x);
    let tape: Tape<'_> = Tape::compile(graph, vec![at]).expect("a tape");
    assert_eq!(tape.first_nonfinite(), None, "values are finite in these tests");
    let found = tape.first_nonfinite_gradient(vec![tensor(&[], &[seed])], &wrt).expect("a sweep");
    let all =
        Forms::FORWARD | Forms::VALUE_AND_GRAD | Forms::VJP | Forms::REVERSE | Forms::DENSE | Forms::JVP;
    let options = Options::default().forms(all).checked(Checked::Finite);
    let program = Program::compile(graph, &options).expect("a program");
    let mut ws = program.workspace();
    let (mut y, mut dx, seed) = (0.0, vec![0.0; x.len()], [seed]);
    let (inputs, seeds): ([Arg<'_>; 1], [Arg<'_>; 1]) = ([x.into()], [(&seed).into()]);
    program.forward(&mut ws, &inputs, &mut [(&mut y).into()]).expect("finite values");
    let mut runs = Vec::new();
    // Other calls on the workspace leave alone what the reverse call reads.
    if seed == [1.0] {
        runs.push(program.value_and_grad(&mut ws, &inputs, &mut [(&mut dx).into()]).map(|_| ()));
    }
    let y: &mut [ArgMut<'_>] = &mut [(&mut y).into()];
    runs.push(program.value_and_vjp(&mut ws, &inputs, &seeds, y, &mut [(&mut dx).into()]));
    runs.push(program.reverse(&mut ws, &seeds, &mut [(&mut dx).into()]));
    for run in runs {
        same(&found, run);
    }
    // Of the dense sweep every value is seeded, so that its order is another.
    program.forward_dense(&mut ws, &inputs).expect("finite values");
    program.set_seed(&mut ws, graph.outputs()[0], seeds[0]).expect("a seed");
    let dense = program.reverse_dense(&mut ws);
    assert_eq!(dense.is_err(), found.is_some(), "{dense:?}");
    found
}

fn same(found: &Option<NonFinite>, run: Result<(), RunError>) {
    match (found, run) {
        (None, Ok(())) => {}
        // NaN is not equal to itself: the texts are.
        (Some(found), Err(RunError::NonFinite(other))) => assert_eq!(found.to_string(), other.to_string()),
        (found, run) => panic!("tape: {found:?}, compiled: {run:?}"),
    }
}

#[test]
fn the_rule_the_value_the_element_and_the_line_are_named() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2, 2]);
    let square = x.square();
    let line = line!() + 1;
    let root = square.sqrt();
    let graph = g.finish(&[(root * 3.0).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0, 2.0, 3.0, 4.0], 1.0), None);
    let found = first(&graph, &[1.0, 2.0, 0.0, 4.0], 1.0).expect("an infinity");
    assert_eq!(found.quantity, Quantity::Gradient);
    assert_eq!((found.element, found.index(), found.number), (2, vec![1, 0], f64::INFINITY));
    assert_eq!(found.node.map(|(_, op)| op), Some("sqrt"));
    assert_eq!((found.operands[0].element, found.cotangents[0].element), (Some(0.0), Some(3.0)));
    assert_eq!(found.source.map(|at| at.line()), Some(line));
    let (id, _) = found.node.expect("a node");
    let (operand, result) = (found.value, graph.node(id).result());
    assert_eq!(
        found.to_string(),
        format!(
            "node {id}: sqrt: element [1, 0] of the gradient of {operand}: f64[2,2] is inf (operands {operand}: \
             f64[2,2] with 0 there, gradient of {result}: f64[2,2] with 3 there) at {}:{line}",
            file!()
        )
    );
}

/// Masked out of the value, and yet 0 * inf in the gradient.
#[test]
fn a_branch_that_is_not_taken_is_found() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [3]);
    let taken = x.gt(g.constant([0.0]));
    let graph = g.finish(&[taken.select(x.sqrt(), x).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0, -0.0, 2.0], 1.0).map(|found| found.number.is_nan()), Some(true));
    // The mask comes before: what becomes of a gradient later does not matter.
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let kept = x.gt(g.constant([0.0])).select(x, x.detach() * 0.0);
    let graph = g.finish(&[kept.sqrt().sum()]).expect("a graph");
    let found = first(&graph, &[4.0, -1.0], 1.0).expect("an infinity");
    assert_eq!((found.node.map(|(_, op)| op), found.element), (Some("sqrt"), 1));
}

/// Several parts of one gradient: the one with which it ceases to be finite is named,
/// which is not the first one, and the parts need not be infinite by themselves.
#[test]
fn the_part_that_overflows_is_named() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1]);
    let line = line!() + 1;
    let low = x.scale(1.5e308);
    let high = x.scale(1e308);
    let graph = g.finish(&[(low.scale(1e-300) + high.scale(1e-300)).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0], 1.0), None);
    let found = first(&graph, &[1e-10], 1e300).expect("an overflow");
    assert_eq!(found.source.map(|at| at.line()), Some(line));
    assert_eq!((found.name.as_str(), found.number), ("%0 \"x\"", f64::INFINITY));
}

#[test]
fn a_seed_that_is_not_finite_is_reported_as_a_seed() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1]);
    let graph = g.finish(&[x.sin().sum()]).expect("a graph");
    let found = first(&graph, &[1.0], f64::NAN).expect("a NaN");
    assert_eq!((found.node, found.operands.len(), found.cotangents.len()), (None, 0, 0));
    assert_eq!(found.to_string(), format!("seed element [] of {}: f64[] is NaN", graph.outputs()[0]));
}

/// What is infinite because of an infinite constant; NaN never is.
#[test]
fn infinite_constants_are_meant() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let inf = g.constant([f64::INFINITY, 1.0]);
    let graph = g.finish(&[(x * inf).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0, 2.0], 1.0), None);
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let inf = g.constant([f64::INFINITY, 1.0]);
    let graph = g.finish(&[(x * inf).minimum(g.constant([2.0])).sum()]).expect("a graph");
    let found = first(&graph, &[1.0, 1.0], 1.0).expect("0 * inf");
    assert_eq!((found.node.map(|(_, op)| op), found.number.is_nan()), (Some("mul"), true));
}

/// A rule of the user's own, by a callback.
#[test]
fn rules_of_custom_ops_are_named() {
    let g = Builder::new();
    let forward = g.finish(&[g.input("x", dtype::f64, [2]).sin()]).expect("a graph");
    let op = CustomOp::from_graphs("wave", forward, CustomRule::Missing, CustomRule::ByDefinition)
        .expect("an op")
        .with_vjp_fn(|_: &[Arg<'_>], d: &mut [ArgMut<'_>]| match d {
            [ArgMut::F64(d)] => {
                d[1] = f64::NAN;
                Ok(())
            }
            _ => Err("other types"),
        })
        .expect("a rule");
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let graph = g.finish(&[g.apply(&op, &[x.exp()]).sum()]).expect("a graph");
    let found = first(&graph, &[0.0, 0.0], 1.0).expect("a NaN");
    assert_eq!((found.node.map(|(_, op)| op), found.element), (Some("wave"), 1));
}

/// On random graphs tape and compiled code say the same, and no gradient is NaN
/// where they say that all are finite.
#[test]
fn random_graphs() {
    let (mut clean, mut bad) = (0, 0);
    for seed in 0..2000 {
        let profile = Profile { min_nodes: 2, max_nodes: 12, limits: &[6, 24], ..Profile::RUN };
        let Ok(drafted) = generate(&mut Rng::new(seed), &profile) else { continue };
        let (graph, case) = (&drafted.graph, Case::random(&drafted.graph, seed));
        let tensors = |columns: &[Column], of: &[ValueId]| -> Vec<Tensor> {
            columns.iter().zip(of).map(|(c, &v)| c.tensor(graph.ty(v))).collect()
        };
        let inputs: Vec<ValueId> = graph.input_values().collect();
        // Integers that are no index of the graph at hand.
        let Ok(tape) = Tape::compile(graph, tensors(&case.inputs, &inputs)) else { continue };
        let seeds = tensors(&case.seeds, &floats(graph, graph.outputs().iter().copied()));
        let wrt = floats(graph, graph.input_values());
        let of_gradients = tape.first_nonfinite_gradient(seeds.clone(), &wrt).expect("a sweep");
        let options = Options::default().forms(Forms::VJP).checked(Checked::Finite);
        let program = Program::compile(graph, &options).expect("a program");
        let run = fused(&program, &case).map(|_| ());
        if let Some(found) = tape.first_nonfinite() {
            same(&Some(found), run);
            continue;
        }
        same(&of_gradients, run);
        let finite = |(gradient, _): &(Tensor, _)| !gradient.to_f64().iter().any(|x| x.is_nan());
        match of_gradients {
            Some(_) => bad += 1,
            None => {
                assert!(tape.vjp(seeds, &wrt).expect("a sweep").iter().all(finite), "{graph}");
                clean += 1;
            }
        }
    }
    assert!(clean > 500 && bad > 10, "{clean} graphs with finite gradients, {bad} with others");
}
