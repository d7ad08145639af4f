//! Values and derivatives against the same steps written out, and across tape and levels.

use crate::{bits, both, cell, close, written_out};
use cotangent::ops::{Body, make};
use cotangent::{Builder, Graph, Var, dtype};

fn agree([looped, flat]: &[Graph; 2], seed: u64) {
    let (a, b) = (bits(looped, seed), bits(flat, seed));
    close(&a.outputs, &b.outputs, "outputs");
    close(&a.gradients, &b.gradients, "gradients");
    close(&a.tangents, &b.tangents, "tangents");
}

#[test]
fn a_recurrent_cell_is_its_steps_written_out() {
    for (steps, backwards) in [(1, false), (2, true), (7, false), (6, true)] {
        agree(&cell(backwards, steps), steps as u64);
    }
}

/// Numbers only: the step is straight-line code.
#[test]
fn a_loop_of_numbers() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 4] = [(f, &[]), (f, &[]), (f, &[9]), (f, &[])];
    let graphs = both(9, &types, 2, 1, false, |_, c, x, fixed| {
        let a = c[0] * fixed[0] + c[1].sin() * 0.5;
        let b = c[1] - a * x[0] + fixed[0].square() * 0.1;
        (vec![a, b], vec![a * b, c[0]])
    });
    agree(&graphs, 3);
}

/// A carry that is never read, one that never moves, values that pass through.
#[test]
fn carries_of_all_kinds() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 6] =
        [(f, &[2]), (f, &[]), (dtype::bool, &[2]), (f, &[5, 2]), (f, &[2]), (f, &[])];
    let graphs = both(5, &types, 3, 1, true, |_, c, x, fixed| {
        let turn = c[2].builder().apply(make::not(), &[c[2]]);
        (vec![turn.select(x[0], fixed[0]), c[1], turn], vec![x[0], c[1] * fixed[1], fixed[0], c[0]])
    });
    agree(&graphs, 4);
}

/// The cotangent of a last carry goes to its step, though no step reads that carry.
#[test]
fn a_carry_that_no_step_of_loops_reads() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 2] = [(f, &[]), (f, &[3])];
    let graphs = both(2, &types, 2, 0, false, |b, c, _, _| {
        let squares = b.map(&[c[1]], |_, x| vec![x[0].square()]);
        (vec![squares[0].sum(), c[1] * 0.5], vec![])
    });
    agree(&graphs, 12);
}

#[test]
fn loops_in_loops() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 4] = [(f, &[3]), (f, &[4, 5, 3]), (f, &[3, 3]), (f, &[3])];
    let graphs = both(4, &types, 1, 1, false, |b, h, x, fixed| {
        let (inner, all) = b.scan(5, &[h[0]], &[x[0]], |b, h, x| {
            let next = (fixed[0].matmul(h[0]) * 0.3 + x[0] * fixed[1]).tanh();
            (vec![next], vec![next * b.scalar(0.5)])
        });
        let mapped = b.map(&[all[0], x[0]], |_, rows| vec![(rows[0] * rows[1] + h[0]).sum()]);
        (inner, vec![mapped[0].sum(), all[0]])
    });
    agree(&graphs, 5);
}

/// Values from further out than the loop around stand beside those of that loop.
#[test]
fn what_inner_loops_take_from_outside() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 5] = [(f, &[2]), (f, &[3, 2]), (f, &[2]), (f, &[2]), (f, &[2])];
    let graphs = both(3, &types, 1, 1, false, |b, h, x, fixed| {
        let (own, other) = (h[0] * fixed[0], x[0] - fixed[1]);
        let (inner, _) = b.scan(2, &[fixed[2]], &[], |b, c, _| {
            // All of it is computed in the loop that is innermost.
            let next = ((((c[0] * h[0] + own) * fixed[0] - x[0]) * fixed[1] + other) * fixed[2]).sin();
            let (last, _) = b.scan(2, &[next], &[], |_, d, _| {
                let far = ((d[0] * c[0] + own) * h[0] - fixed[1]) * next + fixed[2];
                (vec![((far - x[0]) * other + fixed[0]).sin()], vec![])
            });
            (last, vec![])
        });
        (inner, vec![])
    });
    agree(&graphs, 13);
}

/// One value as several operands of a loop, and read behind it.
#[test]
fn an_operand_that_a_loop_has_twice() {
    fn step<'b>(c: Var<'b>, a: Var<'b>, b: Var<'b>) -> Var<'b> {
        (c * a + b.square()).tanh()
    }
    for carried in [false, true] {
        let graphs = [true, false].map(|looped| {
            let g = Builder::new();
            let (x, w) = (g.input("x", dtype::f64, [2]), g.input("w", dtype::f64, [2]));
            let init = if carried { w } else { x };
            let last = match looped {
                true => {
                    let body = Builder::new();
                    let [c, a, b] = ["c", "a", "b"].map(|name| body.input(name, dtype::f64, [2]));
                    let body = Body::new(body.finish(&[step(c, a, b)]).unwrap()).unwrap();
                    g.apply(make::scan(body, 3, [1, 0], false), &[init, w, w])
                }
                false => (0..3).fold(init, |c, _| step(c, w, w)),
            };
            g.finish(&[last, w.square(), x * w]).unwrap()
        });
        agree(&graphs, 16);
    }
}

/// Carries that begin as constants move with what they are given, however many of them stand between.
#[test]
fn carries_that_move_by_each_other() {
    for backwards in [false, true] {
        let graphs = [true, false].map(|looped| {
            let g = Builder::new();
            let (x, w) = (g.input("x", dtype::f64, [6, 2]), g.input("w", dtype::f64, [2]));
            let init: Vec<Var<'_>> = (0..4).map(|i| g.constant([f64::from(i) * 0.5, 1.0])).collect();
            fn step<'b>(w: Var<'b>, c: &[Var<'b>], x: Var<'b>) -> (Vec<Var<'b>>, Vec<Var<'b>>) {
                (vec![c[0] * 0.5 + c[1].sin(), c[1] * c[2], c[2] - c[3] * 0.25, c[3] * w + x], vec![c[0]])
            }
            let (last, stacks) = match (looped, backwards) {
                (true, false) => g.scan(6, &init, &[x], |_, c, x| step(w, c, x[0])),
                (true, true) => g.scan_backwards(6, &init, &[x], |_, c, x| step(w, c, x[0])),
                (false, _) => written_out(&g, 6, &init, &[x], backwards, &|_, c, x| step(w, c, x[0])),
            };
            g.finish(&[last[0], stacks[0]]).unwrap()
        });
        agree(&graphs, 14);
        let [a, b] = graphs.map(|g| bits(&cotangent::vjp(&g, &[0, 1]).unwrap().into_graph(), 15));
        close(&a.gradients, &b.gradients, "second order");
    }
}

fn loss(graph: &Graph) -> Graph {
    // Sum of all that the loop gives, squared.
    let inputs: Vec<_> = graph.input_values().map(|v| graph.ty(v).clone()).collect();
    let g = Builder::new();
    let vars: Vec<Var<'_>> = inputs
        .iter()
        .enumerate()
        .map(|(i, ty)| g.input(&format!("x{i}"), ty.dtype, ty.shape.clone()))
        .collect();
    let by = || cotangent::CustomRule::ByDefinition;
    let op = cotangent::CustomOp::from_graphs("whole", graph.clone(), by(), by()).unwrap();
    let all = g.apply_custom(&op, &vars);
    let sum = all.iter().map(|v| v.square().sum()).reduce(|a, b| a + b).unwrap();
    g.finish(&[sum]).unwrap()
}

#[test]
fn second_and_third_derivatives() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 3] = [(f, &[2]), (f, &[4, 2]), (f, &[2, 2])];
    let graphs = both(4, &types, 1, 1, false, |_, h, x, fixed| {
        let next = (fixed[0].matmul(h[0]) + x[0]).tanh();
        (vec![next], vec![next * x[0]])
    });
    let [looped, flat] = graphs.map(|g| loss(&g));
    // Reverse over reverse, forward over reverse, and once more over both.
    type Derive = fn(&Graph) -> Graph;
    let reverse: Derive = |g| cotangent::vjp(g, &[0, 1, 2]).unwrap().into_graph();
    let forward: Derive = |g| cotangent::jvp(g, &[0, 1, 2]).unwrap().into_graph();
    for orders in [
        vec![reverse, reverse],
        vec![reverse, forward],
        vec![forward, reverse],
        vec![reverse, reverse, forward],
    ] {
        let derived = |g: &Graph| orders.iter().fold(g.clone(), |g, d| d(&g));
        let (a, b) = (bits(&derived(&looped), 6), bits(&derived(&flat), 6));
        close(&a.outputs, &b.outputs, "outputs");
        close(&a.gradients, &b.gradients, "gradients");
    }
    let hessian = |g: &Graph| bits(cotangent::hessian(g, &[2]).unwrap().as_ref(), 7).outputs;
    close(&hessian(&looped), &hessian(&flat), "Hessian");
}

#[test]
fn text_reads_back() {
    let [looped, _] = cell(true, 5);
    let derived = cotangent::vjp(&looped, &[0, 1, 2, 3]).unwrap().into_graph();
    for graph in [looped, derived] {
        let text = graph.to_string();
        let read = Graph::parse(&text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(bits(&read, 8), bits(&graph, 8));
    }
}

#[test]
fn narrow_floats() {
    let f = dtype::f32;
    let types: [(_, &[usize]); 3] = [(f, &[5]), (f, &[6, 5]), (f, &[5, 5])];
    let [looped, flat] = both(6, &types, 1, 1, false, |_, h, x, fixed| {
        let next = (fixed[0].matmul(h[0]) + x[0]).tanh();
        (vec![next], vec![next])
    });
    assert_eq!(bits(&looped, 9).outputs, bits(&flat, 9).outputs);
}

#[test]
fn no_steps_and_no_elements() {
    let g = Builder::new();
    let (h, x) = (g.input("h", dtype::f64, [2]), g.input("x", dtype::f64, [0, 2]));
    let (last, all) = g.scan(0, &[h], &[x], |_, h, x| (vec![h[0] * x[0]], vec![h[0]]));
    bits(&g.finish(&[last[0] * 2.0, all[0]]).unwrap(), 10);
    let g = Builder::new();
    let (h, x) = (g.input("h", dtype::f64, [0]), g.input("x", dtype::f64, [3, 0]));
    let (last, all) = g.scan(3, &[h], &[x], |_, h, x| (vec![h[0] * x[0]], vec![h[0].sum()]));
    bits(&g.finish(&[last[0], all[0]]).unwrap(), 11);
}

/// The rules hold over the rationals, and the values are what dual numbers make of them.
#[test]
fn rules_hold_exactly() {
    let f = dtype::f64;
    let types: [(_, &[usize]); 5] = [(f, &[2]), (f, &[]), (f, &[3, 2]), (f, &[2, 2]), (f, &[])];
    let [looped, _] = both(3, &types, 2, 1, true, |_, c, x, fixed| {
        let h = fixed[0].matmul(c[0]) + x[0] * c[1];
        (vec![h, c[1] * fixed[1]], vec![h * h, x[0].sum() * c[1]])
    });
    let report = cotangent::check_rules(&looped, &cotangent::CheckOptions::default());
    println!("{report}");
    assert!(report.is_ok(), "{report}");
}
