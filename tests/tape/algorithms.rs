//! Dense, sparse and scalar sweeps are one definition; golden cases.

use crate::support::{Case, Rng, random, tensor_bits, types};
use crate::{scalar, vector, whole};
use cotangent::tape::{Exact, Tensor};
use cotangent::{Builder, Connection, Graph, KeepDims, Tape, ValueId, dtype};

fn graph() -> Graph {
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [4]), g.input("w", dtype::f64, [3, 4]));
    let (i, u) = (g.input("i", dtype::i64, [2]), g.input("unused", dtype::f32, [2]));
    let h = w.matmul(x).tanh();
    let _dead = u.exp();
    let loss = (h.index_select(0, i) * x.narrow(0, 1, 3)).sum() + h.square().mean();
    g.finish(&[loss]).unwrap()
}

fn tape<'g>(graph: &'g Graph, case: &Case) -> Tape<'g> {
    let inputs = case.inputs.iter().zip(graph.input_values()).map(|(c, v)| c.tensor(graph.ty(v)));
    Tape::compile(graph, inputs.collect()).unwrap()
}

#[test]
fn dense_sparse_and_scalar_agree() {
    let graph = graph();
    let out = graph.outputs()[0];
    let tape = tape(&graph, &Case::random(&graph, 2));
    let sparse = tape.backward_scalar(out).unwrap();
    let seeded = tape.backward(out, scalar(1.0)).unwrap();
    let dense = tape.backward_dense_all(out, scalar(1.0)).unwrap();
    assert_eq!(dense.len(), graph.len());
    for v in graph.values() {
        let ty = graph.ty(v);
        match (&dense[v.index()], sparse.get(&v), seeded.get(&v)) {
            (Some(d), Some(s), Some(t)) => {
                assert!(d.ty() == ty && tensor_bits(d) == tensor_bits(s) && tensor_bits(d) == tensor_bits(t));
            }
            // Not reached: a zero of the value's type, and no entry.
            (Some(d), None, None) => {
                assert!(d.ty() == ty && d.to_f64().iter().all(|x| x.to_bits() == 0), "{v}");
            }
            (None, None, None) => assert!(!ty.dtype.is_float()),
            other => panic!("{v}: {other:?}"),
        }
    }
    assert!(!sparse.contains_key(&ValueId::new(3)), "the unused input is not reached");
    // vjp is the same for chosen values, intermediates too.
    let wrt: Vec<ValueId> = graph.values().filter(|&v| graph.ty(v).dtype.is_float()).collect();
    for (v, (grad, connection)) in wrt.iter().zip(tape.vjp(vec![scalar(1.0)], &wrt).unwrap()) {
        match sparse.get(v) {
            Some(s) => assert!(tensor_bits(&grad) == tensor_bits(s) && connection == Connection::Connected),
            None => assert_ne!(connection, Connection::Connected),
        }
    }
}

/// <jvp of the whole context, seeds> = <dx, dense gradient>, exactly, with seeds
/// on all values.
#[test]
fn the_whole_context_is_adjoint_exactly() {
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [3]), g.input("w", dtype::f64, [2, 3]));
    let h = w.matmul(x).square();
    let k = h.concat(&[x * h.sum()], 0).flip(&[0]);
    let y = k.sum_over(&[0], KeepDims::Yes) / (k.mean() + 3.0) - h.maximum(x.narrow(0, 0, 2)).relu().dot(h);
    let graph = g.finish(&[y]).unwrap();
    let rng = &mut Rng(17);
    let mut draw = |v: ValueId| -> Tensor<Exact> {
        let ty = graph.ty(v);
        let n = |rng: &mut Rng| whole((rng.next() % 41) as i64 - 20) / whole((rng.next() % 9) as i64 + 1);
        let data = cotangent::tape::Data::F64((0..ty.numel()).map(|_| n(rng)).collect());
        Tensor::new(ty.shape.clone(), data).unwrap()
    };
    for _ in 0..20 {
        let inputs: Vec<_> = graph.input_values().map(&mut draw).collect();
        let dx: Vec<_> = graph.input_values().map(&mut draw).collect();
        let seeds: Vec<_> = graph.values().map(&mut draw).collect();
        let tape = Tape::<Exact>::compile(&graph, inputs).unwrap();
        let moved = tape.jvp(dx.iter().cloned().map(Some).collect()).unwrap();
        let grads = tape.backward_dense_from(seeds.iter().cloned().map(Some).collect()).unwrap();
        let dot = |a: &Tensor<Exact>, b: &Tensor<Exact>| {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            a.iter().zip(b).map(|(a, b)| a * b).fold(whole(0), |s, p| s + p)
        };
        let left = moved.iter().zip(&seeds).filter_map(|(t, s)| Some(dot(t.as_ref()?, s)));
        let right = dx.iter().zip(&grads).map(|(d, g)| dot(d, g.as_ref().unwrap()));
        assert_eq!(left.fold(whole(0), |a, b| a + b), right.fold(whole(0), |a, b| a + b));
    }
}

#[test]
fn every_value_is_held() {
    let graph = graph();
    let case = Case::random(&graph, 4);
    let tape = tape(&graph, &case);
    for (v, column) in graph.input_values().zip(&case.inputs) {
        assert_eq!(tape.with_value(v, tensor_bits).unwrap(), column.bits());
    }
    for v in graph.values() {
        assert_eq!(tape.value(v).unwrap().ty(), graph.ty(v));
    }
    let past = ValueId::new(graph.len() as u32);
    assert!(tape.value(past).is_none() && tape.with_value(past, |_| ()).is_none());
    assert_eq!(tape.outputs().len(), 1);
    // Sweeps leave the values as they were.
    let before: Vec<_> = graph.values().map(|v| tape.with_value(v, tensor_bits)).collect();
    tape.backward_scalar(graph.outputs()[0]).unwrap();
    tape.jvp(vec![None; 4]).unwrap();
    assert!(before == graph.values().map(|v| tape.with_value(v, tensor_bits)).collect::<Vec<_>>());
}

#[test]
fn tangents_of_nothing_are_none() {
    let graph = graph();
    let tape = tape(&graph, &Case::random(&graph, 5));
    assert!(tape.jvp(vec![None; 4]).unwrap().iter().all(Option::is_none));
    let rng = &mut Rng(1);
    let dx = random(&types(&graph, [ValueId::new(0)]), rng)[0].tensor(graph.ty(ValueId::new(0)));
    let moved = tape.jvp(vec![Some(dx.clone()), None, None, None]).unwrap();
    assert_eq!(tensor_bits(moved[0].as_ref().unwrap()), tensor_bits(&dx));
    assert!(moved[1].is_none() && moved[graph.outputs()[0].index()].is_some());
}

/// out_id is the last value, whatever the outputs; without a node there is none.
#[test]
fn out_id_and_checked_out_id() {
    let graph = graph();
    let tape = tape(&graph, &Case::random(&graph, 6));
    let last = ValueId::new(graph.len() as u32 - 1);
    assert_eq!((tape.out_id(), tape.checked_out_id()), (last, Ok(last)));
    for (inputs, id) in [(0, 0), (1, 0), (3, 2)] {
        let g = Builder::new();
        let vars: Vec<_> = (0..inputs).map(|_| g.input("", dtype::f64, ())).collect();
        let graph = g.finish(&vars).unwrap();
        let tape: Tape<'_> = Tape::compile(&graph, vec![scalar(1.0); inputs]).unwrap();
        assert_eq!(tape.out_id(), ValueId::new(id), "inputs + nodes - 1, not below 0");
        assert_eq!(tape.checked_out_id().unwrap_err().to_string(), "compiled graph has no output node");
    }
}

/// mean(x^2) at (.5, -1.2): value, gradient; the square's product with (1, 10).
#[test]
fn golden_square() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let (square, mean) = (x.square(), x.square().mean());
    let graph = g.finish(&[square, mean]).unwrap();
    let tape: Tape<'_> = Tape::compile(&graph, vec![vector(&[0.5, -1.2])]).unwrap();
    let [square, mean] = [square, mean].map(|v| v.id().unwrap());
    assert_eq!(tape.value(mean).unwrap().to_f64(), [0.845]);
    assert_eq!(tape.backward_scalar(mean).unwrap()[&ValueId::new(0)].to_f64(), [0.5, -1.2]);
    let product = tape.backward(square, vector(&[1.0, 10.0])).unwrap();
    assert_eq!(product[&ValueId::new(0)].to_f64(), [1.0, -24.0]);
}

/// A 2-3-1 network with relu, over rationals: y = 52/25.
#[test]
fn golden_network() {
    let tenths = |v: &[i64], shape: &[usize]| -> Tensor<Exact> {
        let data = v.iter().map(|&n| whole(n) / whole(10)).collect();
        Tensor::new(shape.to_vec(), cotangent::tape::Data::F64(data)).unwrap()
    };
    let g = Builder::new();
    let (w1, b1) = (g.input("w1", dtype::f64, [3, 2]), g.input("b1", dtype::f64, [3]));
    let (w2, b2) = (g.input("w2", dtype::f64, [1, 3]), g.input("b2", dtype::f64, [1]));
    let x = g.input("x", dtype::f64, [2]);
    let graph = g.finish(&[x.linear(w1, Some(b1)).relu().linear(w2, Some(b2)).sum()]).unwrap();
    let inputs = vec![
        tenths(&[1, 2, 3, 4, 5, 6], &[3, 2]),
        tenths(&[1, 2, 3], &[3]),
        tenths(&[7, 8, 9], &[1, 3]),
        tenths(&[4], &[1]),
        tenths(&[5, 8], &[2]),
    ];
    let tape = Tape::<Exact>::compile(&graph, inputs).unwrap();
    assert_eq!(tape.outputs()[0].as_f64().unwrap(), [whole(52) / whole(25)]);
    let grads = tape.backward_scalar(graph.outputs()[0]).unwrap();
    let hundredths = |i: u32, want: &[i64]| {
        let got = grads[&ValueId::new(i)].as_f64().unwrap().to_vec();
        assert_eq!(got, want.iter().map(|&n| whole(n) / whole(100)).collect::<Vec<_>>());
    };
    hundredths(0, &[35, 56, 40, 64, 45, 72]);
    hundredths(1, &[70, 80, 90]);
    hundredths(2, &[31, 67, 103]);
    hundredths(3, &[100]);
    hundredths(4, &[76, 100]);
}
