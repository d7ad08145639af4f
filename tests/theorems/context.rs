//! The theorems about the context: what the tape holds, and the algebra of its lists.

use crate::recursion::{List, Number, Value, tensors};
use crate::support::Rng;
use cotangent::fuzzing::{self, Profile, Rng as Source};
use cotangent::tape::{Exact, Tensor};
use cotangent::{Builder, Tape, ValueId, dtype};
use num_rational::BigRational;

const GRAPHS: u64 = 100;

/// Gradients of all values for seeds on all values.
fn swept(list: &List, tape: &Tape<'_, Exact>, seed: &[Value<BigRational>]) -> Vec<Value<BigRational>> {
    let seeds = tensors(seed, &list.vectors()).into_iter().map(Some).collect();
    let all = tape.backward_dense_from(seeds).unwrap();
    all.into_iter().map(|t| t.unwrap().as_f64().unwrap().to_vec()).collect()
}

fn plus(a: &[Value<BigRational>], b: &[Value<BigRational>]) -> Vec<Value<BigRational>> {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}

fn zeros(list: &List) -> Vec<Value<BigRational>> {
    let drawn = List::draw::<BigRational>(&list.vectors(), &mut Rng(0));
    drawn.into_iter().map(|v| vec![BigRational::of(0, 1); v.len()]).collect()
}

/// The tape holds inputs and the results of nodes, and nothing else.
#[test]
fn nodes_size() {
    for i in 0..GRAPHS {
        let Ok(drafted) = fuzzing::generate(&mut Source::new(i), &Profile::RUN) else { continue };
        let graph = drafted.graph;
        let results: usize = graph.nodes().iter().map(|node| node.results().len()).sum();
        assert_eq!(graph.len(), graph.inputs().len() + results);
        let last = ValueId::new(graph.len() as u32 - 1);
        assert!(graph.contains(last) && !graph.contains(ValueId::new(graph.len() as u32)));
    }
}

/// Every operand of a node has a smaller id than its results, and a seed moves nothing
/// behind its own value.
#[test]
fn backward_pids_lt_id() {
    for i in 0..GRAPHS {
        let Ok(drafted) = fuzzing::generate(&mut Source::new(i), &Profile::RUN) else { continue };
        for node in drafted.graph.nodes() {
            assert!(node.operands().iter().all(|&v| v < node.result()));
        }
        let rng = &mut Rng(i);
        let Some((list, graph, x)) = List::exact(rng) else { continue };
        let tape = Tape::<Exact>::compile(&graph, x).unwrap();
        for (v, vector) in graph.values().zip(list.vectors()) {
            let one = Tensor::filled(graph.ty(v).clone(), 1.0).unwrap();
            assert_eq!(vector, one.ty().shape.rank() == 1);
            let reached = tape.backward(v, one).unwrap();
            assert!(reached.keys().all(|&id| id <= v) && reached.contains_key(&v));
        }
    }
}

/// Every float value has a gradient, inputs and constants too; others have no slot.
#[test]
fn requires_grad_true() {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [3]), g.input("i", dtype::i64, [2]));
    let y = (x * g.constant([1.0, 2.0, 3.0])).index_select(0, i).sum();
    let graph = g.finish(&[y]).unwrap();
    let inputs = vec![Tensor::f64([3], &[1.0; 3]).unwrap(), Tensor::i64([2], &[0, 2]).unwrap()];
    let tape = Tape::compile(&graph, inputs).unwrap();
    let all = tape.backward_dense_all(y.id().unwrap(), Tensor::f64((), &[1.0]).unwrap()).unwrap();
    for v in graph.values() {
        assert_eq!(all[v.index()].is_some(), graph.ty(v).dtype.is_float(), "{v}");
    }
    // The constant is a value like another: its gradient is x at the chosen places.
    let constant = graph.values().find(|&v| graph.literal(v).is_some()).unwrap();
    assert_eq!(all[constant.index()].as_ref().unwrap().to_f64(), [1.0, 0.0, 1.0]);
}

/// Sweeps keep the number of values, whatever is seeded.
#[test]
fn steps_preserve_array_size() {
    for i in 0..GRAPHS {
        let rng = &mut Rng(i);
        let Some((list, graph, x)) = List::exact(rng) else { continue };
        let tape = Tape::<Exact>::compile(&graph, x).unwrap();
        let seeds = tensors(&zeros(&list), &list.vectors()).into_iter().map(Some).collect();
        assert_eq!(tape.backward_dense_from(seeds).unwrap().len(), graph.len());
        assert_eq!(tape.jvp(vec![None; list.inputs.len()]).unwrap().len(), graph.len());
        assert!(graph.values().all(|v| tape.value(v).is_some()));
    }
}

/// <a, b + c> = <a, b> + <a, c>, <a, 0> = 0 and <a, single i v> = <a_i, v>, of the maps
/// that the sweep stands for: it is additive in the seeds, nothing comes of nothing, and
/// a seed at one value is what the sparse form takes.
#[test]
fn backward_is_linear_in_the_seeds() {
    for i in 0..GRAPHS {
        let rng = &mut Rng(i);
        let Some((list, graph, x)) = List::exact(rng) else { continue };
        let tape = Tape::<Exact>::compile(&graph, x).unwrap();
        let (b, c) = (List::draw(&list.vectors(), rng), List::draw(&list.vectors(), rng));
        let whole = swept(&list, &tape, &plus(&b, &c));
        assert_eq!(whole, plus(&swept(&list, &tape, &b), &swept(&list, &tape, &c)), "{list:?}");
        assert_eq!(swept(&list, &tape, &zeros(&list)), zeros(&list));
        let mut parts = zeros(&list);
        for (v, vector) in graph.values().zip(list.vectors()) {
            let seed = tensors(&b, &list.vectors()).swap_remove(v.index());
            assert_eq!(seed.ty().shape.rank() == 1, vector);
            for (id, part) in tape.backward(v, seed).unwrap() {
                let part = vec![part.as_f64().unwrap().to_vec()];
                parts[id.index()] = plus(&parts[id.index()..=id.index()], &part).swap_remove(0);
            }
        }
        assert_eq!(parts, swept(&list, &tape, &b), "{list:?}");
    }
}

/// snoc then unsnoc: a node appended leaves the values before it as they were, and with
/// a zero seed their gradients too.
#[test]
fn snoc_unsnoc() {
    for i in 0..GRAPHS {
        let rng = &mut Rng(i);
        let list = List::random(rng, true);
        let Some(x) = list.inputs::<BigRational>(rng) else { continue };
        let mut shorter = list.clone();
        shorter.nodes.pop();
        let (long, short) = (list.graph(), shorter.graph());
        let long_tape = Tape::<Exact>::compile(&long, tensors(&x, &list.inputs)).unwrap();
        let short_tape = Tape::<Exact>::compile(&short, tensors(&x, &list.inputs)).unwrap();
        for v in short.values() {
            let (a, b) = (long_tape.value(v).unwrap(), short_tape.value(v).unwrap());
            assert_eq!(a.as_f64(), b.as_f64());
        }
        let mut seed = List::draw::<BigRational>(&list.vectors(), rng);
        if let Some(last) = seed.last_mut() {
            last.fill(BigRational::of(0, 1));
        }
        let mut all = swept(&list, &long_tape, &seed);
        all.pop();
        seed.pop();
        assert_eq!(all, swept(&shorter, &short_tape, &seed));
    }
}
