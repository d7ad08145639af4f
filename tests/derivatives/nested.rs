//! Nested derivatives: the two examples of Siskind and Pearlmutter (AD 2008), in
//! which what is minimised contains a derivative or another minimisation, by their
//! own gradient descent. Loops are unrolled as far as they run at the point at
//! hand; the inner gradient is an op of the outer graph.

use cotangent::tape::Tensor;
use cotangent::{Builder, CustomOp, CustomRule, Forms, Graph, Options, Program, Tape, Tier, Var, dtype};
use cotangent::{gradient, value_and_grad};
use std::collections::HashMap;

/// Runs graphs, each made once.
struct Engine {
    compiled: bool,
    graphs: HashMap<Vec<u64>, (Graph, Program)>,
}

impl Engine {
    fn new(compiled: bool) -> Engine {
        Engine { compiled, graphs: HashMap::new() }
    }

    /// All outputs of a graph of vectors, one after the other.
    fn call(&mut self, key: Vec<u64>, make: impl FnOnce() -> Graph, inputs: &[&[f64]]) -> Vec<f64> {
        let (graph, program) = self.graphs.entry(key).or_insert_with(|| {
            let graph = make();
            let options = Options::default().forms(Forms::FORWARD).tier(Tier::Fast);
            let program = Program::compile(&graph, &options).unwrap();
            (graph, program)
        });
        if !self.compiled {
            let tensor = |(v, x): (_, &&[f64])| Tensor::f64(graph.shape(v).clone(), x).unwrap();
            let tape: Tape<'_> =
                Tape::compile(graph, graph.input_values().zip(inputs).map(tensor).collect()).unwrap();
            return tape.outputs().iter().flat_map(Tensor::to_f64).collect();
        }
        let mut out: Vec<Vec<f64>> =
            graph.outputs().iter().map(|&o| vec![0.0; graph.shape(o).numel()]).collect();
        let given: Vec<_> = inputs.iter().map(|&x| x.into()).collect();
        let mut taken: Vec<_> = out.iter_mut().map(|o| o.into()).collect();
        program.forward(&mut program.workspace(), &given, &mut taken).unwrap();
        out.concat()
    }
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Descent with a rate that doubles after ten steps and halves when a step fails;
/// `f` gives value and gradient. The point, and the rates of the steps taken.
fn argmin(start: &[f64], mut f: impl FnMut(&[f64]) -> (f64, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    let mut x = start.to_vec();
    let (mut fx, mut gx) = f(&x);
    let (mut rate, mut good, mut taken) = (1e-5, 0, Vec::new());
    while length(&gx) > 1e-5 {
        if good == 10 {
            (rate, good) = (2.0 * rate, 0);
            continue;
        }
        let next: Vec<f64> = x.iter().zip(&gx).map(|(x, g)| x - rate * g).collect();
        if length(&x.iter().zip(&next).map(|(a, b)| a - b).collect::<Vec<_>>()) <= 1e-5 {
            break;
        }
        let (f_next, g_next) = f(&next);
        if f_next < fx {
            (x, fx, gx) = (next, f_next, g_next);
            good += 1;
            taken.push(rate);
        } else {
            (rate, good) = (rate / 2.0, 0);
        }
    }
    (x, taken)
}

/// An op that follows from its graph, to any order.
fn op(name: &'static str, graph: Graph) -> CustomOp {
    CustomOp::from_graphs(name, graph, CustomRule::ByDefinition, CustomRule::ByDefinition).unwrap()
}

fn split(out: &[f64]) -> (f64, Vec<f64>) {
    (out[0], out[1..].to_vec())
}

/// A particle in the field of two charges, followed by naive Euler steps until it
/// hits the ground: the square of where, as a function of a charge's height.
fn particle(engine: &mut Engine) -> f64 {
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [2]), g.input("w", dtype::f64, [1]));
    let ten = g.constant([10.0]);
    let charges = [ten.concat(&[10.0 - w], 0), g.constant([10.0, 0.0])];
    let potential = charges.map(|c| (x - c).square().sum().sqrt().recip());
    let potential = g.finish(&[potential[0] + potential[1]]).unwrap();
    let field = op("field", gradient(&potential, &[0]).unwrap().into_graph());

    fn step<'b>((x, v): (Var<'b>, Var<'b>), w: Var<'b>, field: &CustomOp) -> (Var<'b>, Var<'b>) {
        (x + 0.1 * v, v - 0.1 * x.builder().apply(field, &[x, w]))
    }
    // Heights after each of many steps.
    let heights = || {
        let g = Builder::new();
        let w = g.input("w", dtype::f64, [1]);
        let mut state = (g.constant([0.0, 8.0]), g.constant([0.75, 0.0]));
        let heights: Vec<_> = (0..400)
            .map(|_| {
                state = step(state, w, &field);
                state.0.at(1)
            })
            .collect();
        g.finish(&[heights[0].stack(&heights[1..], 0)]).unwrap()
    };
    let landing = |steps: usize| {
        let g = Builder::new();
        let w = g.input("w", dtype::f64, [1]);
        let mut state = (g.constant([0.0, 8.0]), g.constant([0.75, 0.0]));
        for _ in 0..steps {
            state = step(state, w, &field);
        }
        let (x, v) = state;
        let left = -x.at(1) / v.at(1);
        value_and_grad(g.finish(&[(x + left * v).at(0).square()]).unwrap(), &[0]).unwrap().into_graph()
    };
    let (w, _) = argmin(&[0.0], |w| {
        let heights = engine.call(vec![], heights, &[w]);
        let steps = heights.iter().position(|&h| h <= 0.0).unwrap();
        split(&engine.call(vec![steps as u64], || landing(steps), &[w]))
    });
    w[0]
}

/// min over (x1, y1) of max over (x2, y2) of x1^2 + y1^2 - x2^2 - y2^2.
fn saddle(engine: &mut Engine) -> Vec<f64> {
    let g = Builder::new();
    let (p, q) = (g.input("p", dtype::f64, [2]), g.input("q", dtype::f64, [2]));
    let negated = g.finish(&[-(p.square().sum() - q.square().sum())]).unwrap();
    let inner = || value_and_grad(&negated, &[1]).unwrap().into_graph();
    let (slope, value) =
        (op("slope", gradient(&negated, &[1]).unwrap().into_graph()), op("negated", negated.clone()));
    let maximum = |rates: &[f64]| {
        let g = Builder::new();
        let p = g.input("p", dtype::f64, [2]);
        let mut q = g.constant([1.0, 1.0]);
        for &rate in rates {
            q = q - rate * g.apply(&slope, &[p, q]);
        }
        value_and_grad(g.finish(&[-g.apply(&value, &[p, q])]).unwrap(), &[0]).unwrap().into_graph()
    };
    let start = [1.0, 1.0];
    let (p, _) = argmin(&start, |p| {
        let (_, rates) = argmin(&start, |q| split(&engine.call(vec![], inner, &[p, q])));
        let key = rates.iter().map(|rate| rate.to_bits()).collect();
        split(&engine.call(key, || maximum(&rates), &[p]))
    });
    let (q, _) = argmin(&start, |q| split(&engine.call(vec![], inner, &[&p, q])));
    [p, q].concat()
}

#[test]
fn the_examples_of_siskind_and_pearlmutter() {
    let text = include_str!("../data/siskind_pearlmutter.json");
    let expected: serde_json::Value = serde_json::from_str(text).unwrap();
    let near = |got: f64, expected: &serde_json::Value| {
        let expected = expected.as_f64().unwrap();
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} instead of {expected}");
    };
    let both = |f: &dyn Fn(&mut Engine) -> Vec<f64>| {
        let (tape, code) = (f(&mut Engine::new(false)), f(&mut Engine::new(true)));
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&tape), bits(&code), "tape and code differ");
        code
    };
    near(both(&|engine| vec![particle(engine)])[0], &expected["particle"]["expected"]);
    let found = both(&|engine| saddle(engine));
    assert_eq!(found.len(), 4);
    for (i, &got) in found.iter().enumerate() {
        near(got, &expected["saddle"]["expected"][i]);
    }
}
