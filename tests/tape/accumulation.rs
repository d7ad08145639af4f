//! Nodes from high id to low; what one node gives one value is added up first,
//! in operand order; then existing + contribution. Numbers are chosen so that
//! another order rounds differently.

use crate::scalar;
use cotangent::dtype;
use cotangent::tape::{Native, Tensor};
use cotangent::{Builder, Graph, Tape, ValueId};

const TINY: f64 = 1.110_223_024_625_156_5e-16; // 2^-53: half an ulp of 1, a tie that rounds to even

fn tape(graph: &Graph, x: f64) -> Tape<'_> {
    Tape::compile(graph, vec![scalar(x)]).unwrap()
}

fn gradient(tape: &Tape<'_>, seeds: &[(ValueId, f64)]) -> f64 {
    let given = |v| scalar(seeds.iter().find(|s| s.0 == v).map_or(0.0, |s| s.1));
    let all = tape.graph().values().map(|v| Some(given(v))).collect();
    tape.backward_dense_from(all).unwrap()[0].as_ref().unwrap().to_f64()[0]
}

/// x * x: acc + (d*x + d*x), not (acc + d*x) + d*x.
#[test]
fn operands_of_one_node_are_combined_first() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let y = x * x;
    let graph = g.finish(&[y]).unwrap();
    let tape = tape(&graph, TINY);
    let (x, y) = (ValueId::new(0), graph.outputs()[0]);
    assert_eq!(gradient(&tape, &[(x, 1.0), (y, 1.0)]), 1.0 + (TINY + TINY));
    assert_ne!(1.0 + (TINY + TINY), (1.0 + TINY) + TINY, "the numbers tell the orders apart");
}

/// The same of tensors, which are swept by other code.
#[test]
fn operands_of_one_node_are_combined_first_in_tensors() {
    let one = |x: f64| Tensor::<Native>::f64([1], &[x]).unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1]);
    let graph = g.finish(&[x * x]).unwrap();
    let tape = Tape::compile(&graph, vec![one(TINY)]).unwrap();
    let gradients = tape.backward_dense_from(vec![Some(one(1.0)), Some(one(1.0))]).unwrap();
    assert_eq!(gradients[0].as_ref().unwrap().to_f64(), [1.0 + (TINY + TINY)]);
}

/// Later nodes come first, and the seed of a value is what is there already.
#[test]
fn nodes_are_swept_from_high_to_low() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let (a, b, c) = (x.scale(TINY), x.scale(TINY), x.scale(1.0));
    let graph = g.finish(&[a, b, c]).unwrap();
    let [a, b, c] = [a, b, c].map(|v| v.id().unwrap());
    let tape = tape(&graph, 3.0);
    // ((0 + c) + b) + a: each half ulp is lost on its own.
    assert_eq!(gradient(&tape, &[(a, 1.0), (b, 1.0), (c, 1.0)]), 1.0);
    // (seed + b) + a with the seed at x itself: lost too.
    assert_eq!(gradient(&tape, &[(ValueId::new(0), 1.0), (a, 1.0), (b, 1.0)]), 1.0);
    // Small ones first only where their ids are higher.
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let (c, a, b) = (x.scale(1.0), x.scale(TINY), x.scale(TINY));
    let graph = g.finish(&[c, a, b]).unwrap();
    let seeds = [c, a, b].map(|v| (v.id().unwrap(), 1.0));
    assert_eq!(gradient(&self::tape(&graph, 3.0), &seeds), (TINY + TINY) + 1.0);
}

/// A seed on an intermediate joins what comes from above, on the left.
#[test]
fn seeds_on_intermediates_join_the_flow() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let mid = x.scale(2.0);
    let (p, q) = (mid.scale(TINY), mid.scale(TINY));
    let graph = g.finish(&[p, q]).unwrap();
    let tape = tape(&graph, 1.0);
    let [mid, p, q] = [mid, p, q].map(|v| v.id().unwrap());
    let seeds = [(mid, 1.0), (p, 1.0), (q, 1.0)];
    assert_eq!(gradient(&tape, &seeds), 2.0 * ((1.0 + TINY) + TINY));
    let all =
        tape.graph().values().map(|v| Some(scalar(seeds.iter().find(|s| s.0 == v).map_or(0.0, |s| s.1))));
    let grads = tape.backward_dense_from(all.collect()).unwrap();
    let of = |v: ValueId| grads[v.index()].as_ref().unwrap().to_f64()[0];
    // A value's gradient is its seed and all that later nodes contribute.
    assert_eq!((of(p), of(q), of(mid)), (1.0, 1.0, 1.0));
}

/// No +0 is added by nodes that do not use a value: -0 stays -0.
#[test]
fn negative_zero_stays() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let y = x.scale(-0.0);
    let _other = g.scalar(1.0).exp();
    let graph = g.finish(&[y]).unwrap();
    let grads = tape(&graph, 1.0).backward_scalar(graph.outputs()[0]).unwrap();
    assert_eq!(grads[&ValueId::new(0)].to_f64()[0].to_bits(), (-0.0f64).to_bits());
}

/// Sparse sweeps skip what no seed reaches; the dense one counts every value
/// as seeded, so that 0 * inf shows.
#[test]
fn dead_branches_are_skipped_unless_seeded() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let (y, dead) = (x + 1.0, x.recip());
    let graph = g.finish(&[y, dead]).unwrap();
    let tape = tape(&graph, 0.0);
    let (x, y) = (ValueId::new(0), y.id().unwrap());
    let sparse = tape.backward_scalar(y).unwrap();
    assert_eq!(sparse[&x].to_f64(), [1.0]);
    assert!(!sparse.contains_key(&dead.id().unwrap()));
    let all = tape.backward_dense_all(y, scalar(1.0)).unwrap();
    assert_eq!(all[0].as_ref().unwrap().to_f64(), [1.0]);
    assert_eq!(all[dead.id().unwrap().index()].as_ref().unwrap().to_f64(), [0.0]);
    assert!(gradient(&tape, &[(y, 1.0)]).is_nan());
}
