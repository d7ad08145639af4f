//! Every error of the tape, and the text it reads as.

use crate::{scalar, vector, whole};
use cotangent::tape::{Exact, TapeError, Tensor};
use cotangent::{Builder, Graph, Tape, ValueId, ValueType, dtype};

/// x f64[2], m bool[2]; %2 = x * x, %3 = its sum, %4 = the mask as a number
fn graph() -> Graph {
    let g = Builder::new();
    let (x, m) = (g.input("x", dtype::f64, [2]), g.input("m", dtype::bool, [2]));
    let sum = (x * x).sum();
    let _ = m.cast(dtype::i64);
    g.finish(&[sum]).unwrap()
}

fn tape(graph: &Graph) -> Tape<'_> {
    Tape::compile(graph, vec![vector(&[3.0, 4.0]), Tensor::bool([2], &[true, false]).unwrap()]).unwrap()
}

fn text<T>(result: Result<T, TapeError>) -> String {
    result.map(drop).expect_err("a mistake").to_string()
}

const X: ValueId = ValueId::new(0);
const MASK: ValueId = ValueId::new(1);
const SQUARE: ValueId = ValueId::new(2);
const SUM: ValueId = ValueId::new(3);
const PAST: ValueId = ValueId::new(5);

#[test]
fn inputs_are_checked() {
    let graph = graph();
    let compile = |inputs: Vec<Tensor>| text(Tape::compile(&graph, inputs));
    let mask = || Tensor::bool([2], &[true, true]).unwrap();
    assert_eq!(compile(vec![]), "autograd: expected 2 inputs, got 0");
    assert_eq!(compile(vec![vector(&[1.0; 2]); 3]), "autograd: expected 2 inputs, got 3");
    assert_eq!(compile(vec![vector(&[1.0; 3]), mask()]), "autograd: input 0 x: expected f64[2], got f64[3]");
    assert_eq!(
        compile(vec![vector(&[1.0; 2]), vector(&[1.0; 2])]),
        "autograd: input 1 m: expected bool[2], got f64[2]"
    );
    assert_eq!(
        compile(vec![Tensor::f32([2], &[1.0; 2]).unwrap(), mask()]),
        "autograd: input 0 x: expected f64[2], got f32[2]"
    );
    assert!(Tensor::f64([2, 2], &[1.0; 3]).is_none(), "elements must fill the shape");
    assert!(Tensor::f64([usize::MAX, 2], &[1.0; 3]).is_none());
    assert!(Tensor::f64([0, usize::MAX], &[]).is_some());
}

#[test]
fn outputs_and_seeds_are_checked() {
    let graph = graph();
    let t = tape(&graph);
    let id = "autograd: invalid output id %5 (the tape holds 5 values)";
    assert_eq!(text(t.backward(PAST, scalar(1.0))), id);
    assert_eq!(text(t.backward_scalar(PAST)), id);
    assert_eq!(text(t.backward_dense_all(PAST, scalar(1.0))), id);
    assert_eq!(text(t.vjp(vec![scalar(1.0)], &[PAST])), id);
    let shape = "autograd: seed gradient shape mismatch for output: %3 has f64[], the seed f64[2]";
    assert_eq!(text(t.backward(SUM, vector(&[1.0; 2]))), shape);
    assert_eq!(text(t.backward_dense_all(SUM, vector(&[1.0; 2]))), shape);
    assert_eq!(text(t.vjp(vec![vector(&[1.0; 2])], &[X])), shape);
    let single = Tensor::f32((), &[1.0]).unwrap();
    assert!(text(t.backward(SUM, single)).ends_with("%3 has f64[], the seed f32[]"));
    // The scalar sweep of something else fails as a seed of another shape.
    assert_eq!(
        text(t.backward_scalar(SQUARE)),
        "autograd: seed gradient shape mismatch for output: %2 has f64[2], the seed f64[]"
    );
    let no_gradient = "autograd: value %1 of type bool[2] carries no gradient";
    assert_eq!(text(t.backward_scalar(MASK)), no_gradient);
    assert_eq!(text(t.backward(MASK, vector(&[1.0; 2]))), no_gradient);
    assert_eq!(text(t.vjp(vec![scalar(1.0)], &[MASK])), no_gradient);
    let length = "autograd: initial dense gradient array has wrong length: expected 1, got 0";
    assert_eq!(text(t.vjp(vec![], &[X])), length);
}

#[test]
fn dense_seeds_are_checked() {
    let graph = graph();
    let t = tape(&graph);
    let good = || vec![Some(vector(&[0.0; 2])), None, Some(vector(&[0.0; 2])), Some(scalar(1.0)), None];
    let grads = t.backward_dense_from(good()).unwrap();
    assert_eq!(grads[0].as_ref().unwrap().to_f64(), [6.0, 8.0]);
    assert!(grads[1].is_none() && grads[4].is_none(), "integers and masks have no slot");
    for n in [0, 4, 6] {
        let mut seeds = good();
        seeds.resize(n, None);
        let want = format!("autograd: initial dense gradient array has wrong length: expected 5, got {n}");
        assert_eq!(text(t.backward_dense_from(seeds)), want);
    }
    let mut seeds = good();
    seeds[2] = Some(vector(&[1.0; 3]));
    assert_eq!(
        text(t.backward_dense_from(seeds)),
        "autograd: gradient array has wrong shape for node: %2 has f64[2], the seed f64[3]"
    );
    let mut seeds = good();
    seeds[4] = Some(vector(&[1.0; 2]));
    assert_eq!(text(t.backward_dense_from(seeds)), "autograd: value %4 of type i64[2] carries no gradient");
    // After an error the tape is as good as new.
    assert_eq!(t.backward_scalar(SUM).unwrap()[&X].to_f64(), [6.0, 8.0]);
}

#[test]
fn tangents_are_checked() {
    let graph = graph();
    let t = tape(&graph);
    assert_eq!(text(t.jvp(vec![None])), "autograd: expected 2 inputs, got 1");
    assert_eq!(
        text(t.jvp(vec![Some(scalar(1.0)), None])),
        "autograd: seed gradient shape mismatch for output: %0 has f64[2], the seed f64[]"
    );
    let mask = Tensor::bool([2], &[true, true]).unwrap();
    assert_eq!(text(t.jvp(vec![None, Some(mask)])), "autograd: value %1 of type bool[2] carries no gradient");
}

/// What an arithmetic cannot do is an error that names the op and its line.
#[test]
fn refusals_are_located() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let line = line!() + 1;
    let y = (x - 1.0).recip();
    let z = x.sin();
    for (output, part) in [(y, "reciprocal: division by zero"), (z, "sin: is not exact over the rationals")] {
        let graph = g.finish(&[output]).unwrap();
        let inputs = if output.id() == y.id() { whole(1) } else { whole(2) };
        let data = cotangent::tape::Data::F64([inputs].into_iter().collect());
        let text = text(Tape::<Exact>::compile(&graph, vec![Tensor::new((), data).unwrap()]));
        let at = if output.id() == y.id() { line } else { line + 1 };
        assert!(text.contains(part) && text.contains(&format!("errors.rs:{at}")), "{text}");
    }
    let g = Builder::new();
    let y = g.scalar(f64::NAN) + g.scalar(1.0);
    let graph = g.finish(&[y]).unwrap();
    let text = text(Tape::<Exact>::compile(&graph, vec![]));
    assert!(text.contains("NaN and infinity are no rational numbers"), "{text}");
    assert!(Tensor::<Exact>::filled(ValueType::new(dtype::f64, ()), f64::INFINITY).is_err());
}
