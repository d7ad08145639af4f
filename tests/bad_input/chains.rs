//! Deep graphs: a recursion over the depth of a graph would overflow the small
//! stack these tests run on, a quadratic pass would never end.

use crate::support::{Case, fused, run, run_tape, vector_forms};
use cotangent::derive::{self, Seeds};
use cotangent::tape::Tensor;
use cotangent::{Arg, Builder, Forms, Graph, KeepDims, OptLevel, Options, Program, Tape, Tier, Var, dtype};
use std::time::Instant;

/// Runs on a stack of 2 MiB, what a thread gets by default.
fn on_a_small_stack(job: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(job).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Without optimisation of the test itself the lengths are a tenth.
fn length(n: usize) -> usize {
    if cfg!(debug_assertions) { n / 10 } else { n }
}

fn timed<R>(what: &str, f: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = f();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    result
}

#[test]
fn a_million_scalar_nodes() {
    on_a_small_stack(|| {
        let n = length(1_000_000);
        let graph = timed("author", || {
            let g = Builder::new();
            let x = g.input("x", dtype::f64, ());
            let factor = g.scalar(0.999_999);
            let mut v = x;
            for i in 0..n / 4 {
                v = (v * factor + x).sin();
                v = if i % 2 == 0 { v - x } else { x.maximum(v) };
            }
            g.finish(&[v]).unwrap()
        });
        assert!(graph.nodes().len() >= n);
        let seed = [0.75];
        let tape: Tape<'_> =
            timed("tape", || Tape::compile(&graph, vec![Tensor::f64((), &seed).unwrap()]).unwrap());
        let grads = timed("tape, backward", || tape.backward_scalar(graph.outputs()[0]).unwrap());
        let want = (tape.outputs()[0].to_f64()[0], grads[&cotangent::ValueId::new(0)].to_f64()[0]);
        drop(grads);
        let (derived, _) =
            timed("derive", || derive::value_and_grad(&graph, &[graph.out_id()], Seeds::One).unwrap());
        assert!(derived.len() > graph.len());
        let input = [cotangent::ValueId::new(0)];
        let derived = timed("derive by x", || derive::value_and_grad(&graph, &input, Seeds::One).unwrap().0);
        assert!(derived.len() > 2 * n);
        timed("jvp", || derive::jvp(&graph, &input).unwrap());
        for (opt, forms) in [(OptLevel::Full, Forms::VALUE_AND_GRAD), (OptLevel::None, Forms::FORWARD)] {
            let options = Options::default().tier(Tier::Fast).opt(opt).forms(forms);
            let p = timed("compile", || Program::compile(&graph, &options).unwrap());
            let mut ws = p.workspace();
            let inputs: [Arg<'_>; 1] = [(&seed).into()];
            timed("call", || {
                if forms == Forms::FORWARD {
                    let mut y = 0.0f64;
                    p.forward(&mut ws, &inputs, &mut [(&mut y).into()]).unwrap();
                    assert_eq!(y.to_bits(), want.0.to_bits());
                    return;
                }
                let mut dx = 0.0f64;
                let y = p.value_and_grad(&mut ws, &inputs, &mut [(&mut dx).into()]).unwrap();
                assert_eq!((y.to_bits(), dx.to_bits()), (want.0.to_bits(), want.1.to_bits()));
            });
            println!("{:?}", (p.report().code_bytes, p.report().functions, p.report().workspace_bytes));
        }
    });
}

/// A graph of about `n` nodes, each made from the one before by `step`.
fn chain(n: usize, shape: &[usize], step: impl for<'b> Fn(usize, Var<'b>, &[Var<'b>]) -> Var<'b>) -> Graph {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, shape), g.input("y", dtype::f64, shape));
    let (i, row) = (g.input("i", dtype::i64, [shape[0]]), g.input("row", dtype::f64, [1, shape[0]]));
    let mut v = x;
    for k in 0..n {
        let before = v;
        v = step(k, v, &[x, y, i, row]);
        if v.id() == before.id() {
            break;
        }
    }
    g.finish(&[v]).unwrap()
}

/// Short chains in all forms, long ones forward and backward, against the tape.
/// `COTANGENT_CHAIN` sets the length of the long ones.
fn check(name: &'static str, make: impl Fn(usize) -> Graph + Send + 'static) {
    let given = std::env::var("COTANGENT_CHAIN").ok().and_then(|v| v.parse().ok());
    on_a_small_stack(move || {
        for (n, forms) in [(600, vector_forms()), (given.unwrap_or(length(10_000)), Forms::VJP)] {
            let graph = make(n);
            let case = Case::random(&graph, 11);
            let start = Instant::now();
            let want = run_tape(&graph, &case).unwrap();
            let tape = start.elapsed().as_secs_f64();
            for opt in [OptLevel::Full, OptLevel::None] {
                let options = Options::default().tier(Tier::Fast).opt(opt).forms(forms);
                let start = Instant::now();
                let p = Program::compile(&graph, &options).unwrap();
                let compile = start.elapsed().as_secs_f64();
                let start = Instant::now();
                if forms == Forms::VJP {
                    let got = fused(&p, &case).unwrap();
                    assert!(got == (want.outputs.clone(), want.gradients.clone()), "{name}: bits differ");
                } else {
                    assert!(run(&p, &case).unwrap() == want, "{name}: bits differ");
                }
                let (call, nodes) = (start.elapsed().as_secs_f64(), graph.nodes().len());
                println!(
                    "{name}: {nodes} nodes, {opt:?}: tape {tape:.2} s, compile {compile:.2} s, calls {call:.2} s"
                );
            }
        }
    });
}

#[test]
fn reshapes() {
    check("reshape", |n| {
        chain(n, &[2, 3], |k, v, _| {
            v.reshape([vec![3, 2], vec![6], vec![1, 2, 3], vec![2, 3]][k % 4].clone())
        })
    });
    check("axes of one", |n| {
        chain(n, &[6], |k, v, _| v.reshape([vec![1, 6], vec![6, 1], vec![1, 6, 1], vec![6]][k % 4].clone()))
    });
}

#[test]
fn broadcasts() {
    check("broadcast", |n| {
        chain(n, &[1, 5], |k, v, _| if k % 2 == 0 { v.broadcast_to([3, 5]) } else { v.narrow(0, 1, 2) })
    });
}

#[test]
fn pads_and_slices() {
    check("pad", |n| {
        chain(n, &[5], |k, v, _| if k % 2 == 0 { v.pad(&[(1, 2)], 0.5) } else { v.narrow(0, 0, 5) })
    });
    check("slice", |n| {
        chain(n, &[6], |k, v, y| match k % 3 {
            0 => v.slice(&[1], &[6], &[2]),
            1 => v.concat(&[v.flip(&[0])], 0),
            _ => v + y[1],
        })
    });
}

#[test]
fn concats() {
    check("concat", |n| {
        chain(n, &[6], |k, v, y| if k % 2 == 0 { v.concat(&[y[0]], 0) } else { v.narrow(0, 3, 9) })
    });
}

#[test]
fn permutations_and_flips() {
    check("permute", |n| {
        chain(n, &[2, 3], |k, v, _| if k % 2 == 0 { v.permute(&[1, 0]) } else { v.flip(&[0, 1]) })
    });
}

#[test]
fn element_wise() {
    check("element-wise", |n| {
        chain(n, &[7], |k, v, y| if k % 2 == 0 { v + y[k % 3 % 2] } else { v.scale(0.5) })
    });
    check("scalar", |n| chain(n, &[1], |k, v, y| if k % 2 == 0 { v + y[1] } else { v.scale(0.5) }));
}

#[test]
fn reductions() {
    check("reduction", |n| {
        chain(
            n,
            &[5],
            |k, v, y| if k % 2 == 0 { v.sum_over(&[0], KeepDims::Yes).scale(0.2) } else { v - y[1] },
        )
    });
}

#[test]
fn casts_and_selects() {
    check("cast", |n| {
        chain(n, &[5], |k, v, _| if k % 2 == 0 { v.cast(dtype::f32) } else { v.cast(dtype::f64) })
    });
    check("select", |n| chain(n, &[5], |k, v, y| y[k % 2].gt(v).select(v, y[1])));
}

#[test]
fn products_and_gathers() {
    check("matmul", |n| chain(n / 10, &[3, 3], |_, v, y| v.matmul(y[1]).scale(0.2)));
    check("gather", |n| chain(n / 10, &[6], |_, v, y| v.index_select(0, y[2])));
}

#[test]
fn detached() {
    check("detach", |n| chain(n, &[5], |k, v, y| if k % 2 == 0 { v.detach() } else { v + y[0] }));
}

/// 100,000 operands of one node, from as many scalars.
#[test]
fn a_concat_of_many_scalars() {
    check("concat of scalars", |n| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [1]);
        let mut parts = vec![x];
        for i in 1..n {
            let last = parts[i - 1];
            parts.push(if i % 2 == 0 { last.scale(0.5) } else { last + x });
        }
        g.finish(&[x.concat(&parts, 0)]).unwrap()
    });
}

/// As many results of one node.
#[test]
fn a_split_into_many_scalars() {
    check("split", |n| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [n]);
        let parts = x.sin().split(0, &vec![1; n]);
        let mut sum = parts[0];
        for &part in &parts[1..] {
            sum = sum + part;
        }
        g.finish(&[sum]).unwrap()
    });
}

/// A graph that is wide rather than deep.
#[test]
fn many_outputs_and_inputs() {
    check("wide", |n| {
        let g = Builder::new();
        let inputs: Vec<_> = (0..n).map(|_| g.input("", dtype::f64, [5])).collect();
        let outputs: Vec<_> = inputs.iter().map(|&x| x * 2.0).collect();
        g.finish(&outputs).unwrap()
    });
}
