//! A graph of many points has at each the bits of the graph of one.
//!
//! `COTANGENT_GRAPHS` and `COTANGENT_SEED` choose how many random graphs and which.
#![cfg(feature = "jit")]

mod support;

use cotangent::fuzzing::{Coverage, Rng, Source, draw};
use cotangent::tape::{Data, Native, Tensor};
use cotangent::{
    Builder, CustomOp, CustomRule, Graph, Options, Program, Tape, ValueType, dtype, gradient, value_and_grad,
    vmap,
};
use std::env;
use support::{Column, args, args_mut, tensor_bits, types, zeros};

fn number(name: &str, otherwise: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => otherwise,
    }
}

/// Tensors of one type behind each other; `like` has the type where there is none.
fn stack(like: &Tensor, parts: &[&Tensor]) -> Tensor {
    macro_rules! join {
        ($kind:ident) => {
            Data::$kind(
                parts
                    .iter()
                    .flat_map(|part| match part.data() {
                        Data::$kind(v) => v.iter().copied(),
                        _ => panic!("tensors of different types"),
                    })
                    .collect(),
            )
        };
    }
    let data: Data<Native> = match like.data() {
        Data::F64(_) => join!(F64),
        Data::F32(_) => join!(F32),
        Data::I64(_) => join!(I64),
        Data::Bool(_) => join!(Bool),
    };
    Tensor::new(behind(parts.len(), like.ty()).shape, data).unwrap()
}

/// The type with an axis of points in front.
fn behind(n: usize, ty: &ValueType) -> ValueType {
    let dims: Vec<usize> = [&[n], ty.shape.dims()].concat();
    ValueType::new(ty.dtype, dims)
}

fn outputs(graph: &Graph, inputs: Vec<Tensor>) -> Option<Vec<Tensor>> {
    Tape::compile(graph, inputs).ok().map(|tape| tape.outputs())
}

/// Compares every output of `graph` at `n` points; `None` where it cannot be evaluated at one of them or at the first.
fn check(graph: &Graph, sets: &[Vec<Tensor>], batched: &[usize], n: usize) -> Option<()> {
    let point = |p: usize| -> Vec<Tensor> {
        let of = |i: usize| sets[if batched.contains(&i) { p % sets.len() } else { 0 }][i].clone();
        (0..graph.inputs().len()).map(of).collect()
    };
    // What is the same for all points is computed for none too.
    outputs(graph, point(0))?;
    let points: Vec<Vec<Tensor>> = (0..n).map(point).collect();
    let want: Vec<Vec<Tensor>> = points.iter().map(|x| outputs(graph, x.clone())).collect::<Option<_>>()?;
    let many = vmap(graph, batched, n).unwrap_or_else(|error| panic!("{error}\n{graph}"));
    let inputs = (0..graph.inputs().len()).map(|i| match batched.contains(&i) {
        true => stack(&sets[0][i], &points.iter().map(|x| &x[i]).collect::<Vec<_>>()),
        false => sets[0][i].clone(),
    });
    let tape: Tape<'_> =
        Tape::compile(&many, inputs.collect()).unwrap_or_else(|e| panic!("{e}\n{graph}\n{many}"));
    for (k, (got, &output)) in tape.outputs().iter().zip(graph.outputs()).enumerate() {
        assert_eq!(*got.ty(), behind(n, graph.ty(output)), "output {k} of {n} points");
        let want: Vec<u64> = want.iter().flat_map(|at| tensor_bits(&at[k])).collect();
        assert!(tensor_bits(got) == want, "output {k} of {n} points, {batched:?}\n{graph}\n{many}");
    }
    Some(())
}

/// All values of random graphs of all ops, some inputs the same for all points.
#[test]
fn random_graphs() {
    let (graphs, seed) = (number("COTANGENT_GRAPHS", 300), number("COTANGENT_SEED", 1));
    let (mut coverage, mut compared) = (Coverage::default(), 0);
    for i in 0..graphs {
        let mut rng = Rng::new(seed.wrapping_add(i));
        let Some(case) = draw(&mut rng) else { continue };
        let graph = case.graph();
        let all: Vec<_> = graph.values().collect();
        let graph = graph.with_outputs(&all).unwrap();
        let share = 1 + rng.below(4);
        let batched: Vec<usize> = (0..graph.inputs().len()).filter(|_| rng.chance(share, 4)).collect();
        let sets: Vec<Vec<Tensor>> = (0..3).map(|set| case.inputs(set)).collect();
        if check(&graph, &sets, &batched, rng.below(5)).is_some() {
            compared += 1;
            coverage.add(&graph);
        }
    }
    println!("vmap: {compared} of {graphs} graphs");
    assert!(compared * 10 > graphs * 7, "only {compared} of {graphs} graphs could be compared");
    if graphs >= 1000 {
        assert!(coverage.missing().is_empty(), "not covered: {:?}", coverage.missing());
    }
}

/// Within a vmap, of derivatives and differentiated, compiled.
#[test]
fn with_derivatives() {
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [3]), g.input("w", dtype::f64, [2, 3]));
    let graph = g.finish(&[(w.matmul(x).square() + 1.0).sum()]).unwrap();
    let of_points = vmap(gradient(&graph, &[0]).unwrap().graph(), &[0], 4).unwrap();
    // The sum over the points does not mix them.
    let many = vmap(&graph, &[0], 4).unwrap();
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [4, 3]), g.input("w", dtype::f64, [2, 3]));
    let rule = CustomRule::ByDefinition;
    let op = CustomOp::from_graphs("many", many.clone(), rule.clone(), rule).unwrap();
    let total = g.apply(&op, &[x, w]).sum();
    let of_sum = gradient(g.finish(&[total]).unwrap(), &[0]).unwrap();
    let inputs = [
        Column::F64((0..12).map(|i| f64::from(i) * 0.37 - 2.0).collect()),
        Column::F64(vec![0.5, -1.0, 2.0, 0.25, 3.0, -0.125]),
    ];
    let run = |graph: &Graph| {
        let program = Program::compile(graph, &Options::default()).unwrap();
        let mut results = zeros(&types(graph, graph.outputs().iter().copied()));
        program.forward(&mut program.workspace(), &args(&inputs), &mut args_mut(&mut results)).unwrap();
        results[0].bits()
    };
    assert_eq!(run(&of_points), run(&of_sum));
    let nested = vmap(vmap(&graph, &[0], 2).unwrap(), &[0], 2).unwrap();
    assert_eq!(nested.shape(nested.outputs()[0]).dims(), [2, 2]);
    assert_eq!(run(&nested), run(&many));
    let both = value_and_grad(&graph, &[1]).unwrap();
    let both = vmap(&both, &[0, 1], 5).unwrap();
    let shapes: Vec<String> = both.outputs().iter().map(|&o| both.shape(o).to_string()).collect();
    assert_eq!(shapes, ["[5]", "[5,2,3]"]);
}

/// What blocks gradients does so for many points too.
#[test]
fn detached() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let graph = g.finish(&[x.detach() * x]).unwrap();
    let many = vmap(&graph, &[0], 3).unwrap();
    let tape: Tape<'_> =
        Tape::compile(&many, vec![Tensor::f64([3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()]).unwrap();
    let seed = Tensor::f64([3, 2], &[1.0; 6]).unwrap();
    let gradient = &tape.vjp(vec![seed], &many.input_values().collect::<Vec<_>>()).unwrap()[0].0;
    assert_eq!(gradient.to_f64(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn an_input_that_is_not_there() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [3]);
    let graph = g.finish(&[x.exp()]).unwrap();
    let error = vmap(&graph, &[1], 2).unwrap_err();
    assert_eq!(error.to_string(), "no input 1: the graph has 1");
    assert!(vmap(&graph, &[0], usize::MAX).is_err());
}
