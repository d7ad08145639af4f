//! The theorems about reverse mode.

use crate::recursion::{List, Number, Value, backprop, eval, tensors};
use crate::support::{Rng, element_bits, levels, vector_forms};
use cotangent::fuzzing::adjoint::{Adjointness, adjoint, draw, draw_row};
use cotangent::fuzzing::{Rng as Source, Source as _};
use cotangent::ops;
use cotangent::tape::{Exact, Tensor};
use cotangent::{Arg, Builder, Program, Tape, ValueId, dtype};
use num_rational::BigRational;

const GRAPHS: u64 = 300;

fn inner(a: &[Value<BigRational>], b: &[Value<BigRational>]) -> BigRational {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(BigRational::of(0, 1), |sum, (a, b)| sum + a * b)
}

fn numbers<S: Number>(tensors: Vec<Option<Tensor<S::Kind>>>) -> Vec<Value<S>> {
    tensors.into_iter().map(|t| t.unwrap().as_f64().unwrap().to_vec()).collect()
}

/// What the tape says: all values, and all gradients for seeds on all values.
fn by_tape<S: Number>(list: &List, x: &[Value<S>], seed: &[Value<S>]) -> [Vec<Value<S>>; 2] {
    let (graph, vectors) = (list.graph(), list.vectors());
    let tape = Tape::<S::Kind>::compile(&graph, tensors(x, &list.inputs)).unwrap();
    let values = graph.values().map(|v| tape.value(v)).collect();
    let seeds = tensors(seed, &vectors).into_iter().map(Some).collect();
    [numbers::<S>(values), numbers::<S>(tape.backward_dense_from(seeds).unwrap())]
}

fn same<S: Number>(a: &[Value<S>], b: &[Value<S>]) -> bool {
    a.len() == b.len() && a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| a.same(b))
}

/// backwardDenseFrom(compileAuxData(g, x).tape, seed) = backpropAllCtx(g, x, seed), and
/// the context is eval(g, x).
fn main_theorem<S: Number>(exact: bool) {
    let mut compared = 0;
    for i in 0..GRAPHS {
        let rng = &mut Rng(i);
        let list = List::random(rng, exact);
        let Some(x) = list.inputs::<S>(rng) else { continue };
        let seed = List::draw::<S>(&list.vectors(), rng);
        let ctx = eval(&list.nodes, &x);
        let [values, gradients] = by_tape(&list, &x, &seed);
        assert!(same(&values, &ctx), "graph {i}: {list:?}\n{values:?}\n{ctx:?}");
        let want = backprop(&list.nodes, &ctx, seed.clone(), false);
        assert!(same(&gradients, &want), "graph {i}: {list:?} at {x:?}\n{gradients:?}\n{want:?}");
        // With the +0 of the original only signs of zero may differ.
        let dense = backprop(&list.nodes, &ctx, seed, true);
        let equal = |(a, b): (&S, &S)| a == b || a.same(b);
        assert!(gradients.iter().flatten().zip(dense.iter().flatten()).all(equal), "graph {i}: {list:?}");
        compared += 1;
    }
    assert!(compared * 2 > GRAPHS, "only {compared} of {GRAPHS}");
}

#[test]
fn backward_dense_from_eq_backprop_all_ctx_over_rationals() {
    main_theorem::<BigRational>(true);
}

#[test]
fn backward_dense_from_eq_backprop_all_ctx_in_f64() {
    main_theorem::<f64>(false);
}

/// The same of compiled code: values and gradients of all values, in loops and
/// unrolled.
#[test]
fn compiled_backward_dense_eq_backprop_all_ctx() {
    for i in 0..GRAPHS / 6 {
        let rng = &mut Rng(1000 + i);
        let list = List::random(rng, false);
        let Some(x) = list.inputs::<f64>(rng) else { continue };
        let seed = List::draw::<f64>(&list.vectors(), rng);
        let ctx = eval(&list.nodes, &x);
        let want = backprop(&list.nodes, &ctx, seed.clone(), false);
        let graph = list.graph();
        for options in levels().into_iter().flat_map(|o| [o.clone().unroll(0), o]) {
            let program = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
            let mut ws = program.workspace();
            let inputs: Vec<Arg<'_>> = x.iter().map(|v| v.into()).collect();
            program.forward_dense(&mut ws, &inputs).unwrap();
            for (v, seed) in graph.values().zip(&seed) {
                program.set_seed(&mut ws, v, seed.into()).unwrap();
            }
            program.reverse_dense(&mut ws).unwrap();
            let bits = |v: &Value<f64>| {
                v.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect::<Vec<_>>()
            };
            for (i, v) in graph.values().enumerate() {
                assert_eq!(element_bits(program.value(&ws, v).unwrap()), bits(&ctx[i]), "{list:?}");
                assert_eq!(element_bits(program.gradient(&ws, v).unwrap()), bits(&want[i]), "{list:?}");
            }
        }
    }
}

/// dot(jvp(x; dx), delta) = dotList(dx, vjp(x; delta)) for each row, exactly.
#[test]
fn node_law() {
    for (i, row) in ops::table().filter(|row| row.exact).enumerate() {
        let mut source = Source::keyed(3, &[i as u64]);
        for _ in 0..4 {
            let (drafted, inputs) = draw_row(row, &mut source).unwrap();
            let found = adjoint(&drafted.graph, inputs, &mut source);
            let holds = matches!(found, Adjointness::Holds | Adjointness::Skipped);
            assert!(holds, "{}: {found}\n{}", row.name, drafted.graph);
        }
    }
}

/// dotList(jvpCtx(x, dx), seed) = dotList(dx, backpropCtx(x, seed)): whole graphs, seeds
/// on all values, exactly.
#[test]
fn graph_backprop_correct() {
    let mut held = 0;
    for i in 0..60 {
        let mut source = Source::new(i);
        let Some((drafted, inputs)) = draw(&mut source) else { continue };
        match adjoint(&drafted.graph, inputs, &mut source) {
            Adjointness::Holds => held += 1,
            Adjointness::Skipped => {}
            other => panic!("{other}\n{}", drafted.graph),
        }
        source.bits();
    }
    assert!(held >= 50, "{held} of 60");
    for i in 0..100 {
        let rng = &mut Rng(i);
        let list = List::random(rng, true);
        let Some(x) = list.inputs::<BigRational>(rng) else { continue };
        let (seed, dx) = (List::draw(&list.vectors(), rng), List::draw(&list.inputs, rng));
        let graph = list.graph();
        let tape = Tape::<Exact>::compile(&graph, tensors(&x, &list.inputs)).unwrap();
        let moved = tape.jvp(tensors(&dx, &list.inputs).into_iter().map(Some).collect()).unwrap();
        let tangents: Vec<Value<BigRational>> = moved
            .iter()
            .zip(&seed)
            .map(|(t, s)| {
                t.as_ref().map_or(vec![BigRational::of(0, 1); s.len()], |t| t.as_f64().unwrap().to_vec())
            })
            .collect();
        let all = backprop(&list.nodes, &eval(&list.nodes, &x), seed.clone(), false);
        assert_eq!(inner(&tangents, &seed), inner(&dx, &all[..dx.len()]), "{list:?}");
    }
}

/// Finite data: the dense gradients are the sparse ones where a seed reaches, and 0
/// elsewhere.
#[test]
fn dense_eq_sparse_on_reached() {
    let mut unreached = 0;
    for i in 0..GRAPHS {
        let rng = &mut Rng(i);
        let Some((list, graph, x)) = List::exact(rng) else { continue };
        let tape = Tape::<Exact>::compile(&graph, x).unwrap();
        let out = ValueId::new(rng.next() as u32 % graph.len() as u32);
        let mut seed = List::draw::<BigRational>(&list.vectors(), rng);
        for (v, value) in seed.iter_mut().enumerate() {
            if v != out.index() {
                value.fill(BigRational::of(0, 1));
            }
        }
        let at_out = tensors(&seed, &list.vectors()).swap_remove(out.index());
        let sparse = tape.backward(out, at_out.clone()).unwrap();
        let dense = numbers::<BigRational>(tape.backward_dense_all(out, at_out).unwrap());
        let seeded = tensors(&seed, &list.vectors()).into_iter().map(Some).collect();
        assert_eq!(numbers::<BigRational>(tape.backward_dense_from(seeded).unwrap()), dense);
        for (v, dense) in graph.values().zip(&dense) {
            match sparse.get(&v) {
                Some(s) => assert_eq!(s.as_f64().unwrap(), dense.as_slice()),
                None => {
                    assert!(dense.iter().all(Number::is_zero));
                    unreached += 1;
                }
            }
        }
    }
    assert!(unreached > 100);
}

/// Not so where a dead branch holds an infinity and every value counts as seeded: 0
/// times infinity is no number. The sparse forms skip the branch.
#[test]
fn dead_branch_with_inf() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let (live, _dead) = (x * 2.0, x.recip());
    let graph = g.finish(&[live]).unwrap();
    let one = |x: f64| Tensor::f64((), &[x]).unwrap();
    let tape = Tape::compile(&graph, vec![one(0.0)]).unwrap();
    assert_eq!(tape.backward_scalar(graph.outputs()[0]).unwrap()[&ValueId::new(0)].to_f64(), [2.0]);
    let all = tape.backward_dense_all(graph.outputs()[0], one(1.0)).unwrap();
    assert_eq!(all[0].as_ref().unwrap().to_f64(), [2.0]);
    let seeds = graph.values().map(|v| Some(one(f64::from(u8::from(v == graph.outputs()[0]))))).collect();
    assert!(tape.backward_dense_from(seeds).unwrap()[0].as_ref().unwrap().to_f64()[0].is_nan());
}
