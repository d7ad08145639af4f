//! Rolling: scalars that repeat the same structure become loops, to the same bits. What is
//! rolled shows in the report: loops and calls where there were none, and few steps.
#![cfg(feature = "jit")]

#[path = "support/mod.rs"]
mod support;

use cotangent::{Builder, DType, Forms, Graph, OptLevel, Options, Program, Report, Var, dtype};
use support::{Case, args, args_mut, run, run_tape, vector_forms};

/// All forms of a graph, rolled at several numbers of repeats, have the bits of the tape.
fn agrees(graph: &Graph) {
    let case = Case::random(graph, 5);
    let tape = run_tape(graph, &case).expect("a tape");
    for roll in [2, 3, 16, usize::MAX] {
        for opt in [OptLevel::Full, OptLevel::None] {
            let options = Options::default().forms(vector_forms()).opt(opt).roll(roll);
            let program = Program::compile(graph, &options).expect("a program");
            assert_eq!(run(&program, &case).expect("a call"), tape, "rolled from {roll} on, {opt:?}");
        }
    }
}

/// The report of value and gradient, rolled as users are advised to.
fn rolled(graph: &Graph) -> Report {
    let options = Options::default().forms(Forms::VALUE_AND_GRAD).unroll(0).roll(16);
    Program::compile(graph, &options).expect("a program").report().clone()
}

fn graph(dtype: DType, n: usize, f: impl for<'b> Fn(Var<'b>, &[Var<'b>]) -> Vec<Var<'b>>) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype, [n]);
    let at: Vec<Var<'_>> = (0..n).map(|i| x.at(i)).collect();
    let outputs = f(x, &at);
    g.finish(&outputs).expect("a graph")
}

fn total<'b>(terms: impl IntoIterator<Item = Var<'b>>) -> Var<'b> {
    terms.into_iter().reduce(|sum, term| sum + term).expect("terms")
}

fn rosenbrock(dtype: DType, n: usize) -> Graph {
    graph(dtype, n, |_, x| {
        let term = |p: &[_]| {
            let [a, b]: [Var<'_>; 2] = [p[0], p[1]];
            (b - a * a).square() * 100.0 + (1.0 - a).square()
        };
        vec![total(x.windows(2).map(term))]
    })
}

#[test]
fn a_traced_loop_becomes_loops() {
    for dtype in [dtype::f64, dtype::f32] {
        for n in [17, 18, 40, 130, 131, 300] {
            agrees(&rosenbrock(dtype, n));
        }
    }
    let (short, long) = (rolled(&rosenbrock(dtype::f64, 300)), rolled(&rosenbrock(dtype::f64, 3000)));
    assert!((1..10).contains(&short.kernels), "{} loops", short.kernels);
    assert_eq!(short.calls, 1, "the sum");
    assert!(short.items < 60, "{} steps", short.items);
    assert!(long.items <= short.items + 20, "{} steps for 300, {} for 3000", short.items, long.items);
}

/// Without the option every operation stays code of its own.
#[test]
fn nothing_is_rolled_unless_asked_for() {
    let options = Options::default().forms(Forms::VALUE_AND_GRAD).unroll(0);
    let program = Program::compile(&rosenbrock(dtype::f64, 300), &options).expect("a program");
    assert_eq!((program.report().kernels, program.report().calls), (0, 0));
}

/// A row is made of as many as were asked for, and not of fewer.
#[test]
fn the_fewest_repeats_that_are_rolled() {
    let squares =
        |n: usize| graph(dtype::f64, n, |_, x| vec![total(x.iter().map(|x| (*x + 1.0).sqrt() * *x))]);
    assert_eq!(rolled(&squares(15)).kernels, 0);
    assert!(rolled(&squares(16)).kernels > 0);
    agrees(&squares(15));
    agrees(&squares(16));
}

#[test]
fn elements_far_apart_and_backwards() {
    // Strides, the other way round, two arrays, and a shared number.
    agrees(&graph(dtype::f64, 64, |_, x| {
        let far = (0..20).map(|i| x[3 * i] * x[63 - i]);
        let back = (0..32).rev().map(|i| (x[2 * i + 1] - x[i]).square() * x[5]);
        vec![total(far), total(back)]
    }));
    // A matrix by two indices.
    let g = Builder::new();
    let a = g.input("a", dtype::f64, [8, 9]);
    let x = g.input("x", dtype::f64, [9]);
    let row = |i: usize| total((0..9).map(|j| a.at(i).at(j) * x.at(j)));
    let rows: Vec<Var<'_>> = (0..8).map(|i| row(i).square()).collect();
    agrees(&g.finish(&[total(rows)]).expect("a graph"));
    // All indices at once: along rows, columns and the diagonal.
    fn element<'b>(v: Var<'b>, index: &[usize]) -> Var<'b> {
        let stop: Vec<usize> = index.iter().map(|i| i + 1).collect();
        v.slice(index, &stop, &vec![1; index.len()]).reshape(())
    }
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f64, [7, 7]), g.input("b", dtype::f64, [3, 4, 5]));
    let turned = (0..49).map(|k| element(a, &[k / 7, k % 7]) * element(a, &[k % 7, k / 7]));
    let diagonal = (0..7).map(|k| element(a, &[k, k]) - element(a, &[6 - k, k]));
    let all = (0..60).map(|k| element(b, &[k / 20, k / 5 % 4, k % 5]).square() * 0.5);
    agrees(&g.finish(&[total(turned), total(diagonal), total(all)]).expect("a graph"));
}

/// Sums, differences and products one after the other, also with other uses of what is on the way.
#[test]
fn chains() {
    for dtype in [dtype::f64, dtype::f32] {
        let chain = |n: usize, f: for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>| {
            graph(dtype, n, |_, x| vec![x[1..].iter().fold(x[0], |sum, x| f(sum, *x))])
        };
        for n in [5, 150] {
            agrees(&chain(n, |a, b| a + b));
            agrees(&chain(n, |a, b| b + a));
            agrees(&chain(n, |a, b| a - b));
            agrees(&chain(n, |a, b| b - a));
            agrees(&chain(n, |a, b| a * b));
        }
    }
    let product = graph(dtype::f64, 150, |_, x| vec![x[1..].iter().fold(x[0], |p, x| p * *x)]);
    assert!(rolled(&product).calls > 0, "a product is a call");
    agrees(&graph(dtype::f64, 150, |_, x| {
        let mut sums = vec![x[0]];
        for (i, x) in x.iter().enumerate().skip(1) {
            sums.push(sums[i - 1] + x.square());
        }
        vec![
            sums[149],
            sums[70] * sums[71],
            sums.iter().step_by(7).copied().reduce(|a, b| a * b).expect("sums"),
        ]
    }));
}

/// Two chains that begin with the same steps.
#[test]
fn chains_that_part() {
    fn long<'b>(start: Var<'b>, x: &[Var<'b>], f: fn(Var<'b>, Var<'b>) -> Var<'b>) -> Var<'b> {
        x.iter().fold(start, |sum, x| f(sum, *x))
    }
    fn parts<'b>(x: &[Var<'b>], f: fn(Var<'b>, Var<'b>) -> Var<'b>) -> Vec<Var<'b>> {
        let both = long(x[0], &x[1..150], f);
        vec![long(both, &x[150..310], f), long(both, &x[310..470], f), both]
    }
    agrees(&graph(dtype::f64, 470, |_, x| parts(x, |a, b| a + b)));
    agrees(&graph(dtype::f64, 470, |_, x| parts(x, |a, b| a - b)));
    agrees(&graph(dtype::f64, 470, |_, x| parts(x, |a, b| a * b)));
}

/// What each step adds comes of steps before: nothing may be put in front of what it needs.
#[test]
fn chains_that_feed_themselves() {
    agrees(&graph(dtype::f64, 150, |_, x| {
        let mut sum = x[0];
        let mut before = x[0];
        for x in &x[1..] {
            let next = sum + before * *x * 0.25;
            (before, sum) = (sum, next);
        }
        vec![sum]
    }));
    // Two chains, the second over the partial results of the first.
    agrees(&graph(dtype::f64, 140, |_, x| {
        let (mut first, mut second) = (x[0], x[1]);
        for x in &x[1..] {
            first = first + *x;
            second = second + first.square();
        }
        vec![second, first]
    }));
    agrees(&graph(dtype::f64, 40, |_, x| {
        vec![x[1..].iter().fold(x[0], |state, x| (state * 0.5 + *x).tanh())]
    }));
}

/// The first and last of a row go elsewhere too, a row is an output as a whole and element by element.
#[test]
fn rows_that_others_read() {
    agrees(&graph(dtype::f64, 40, |all, x| {
        let row: Vec<Var<'_>> = x.iter().map(|x| x.sin() * *x).collect();
        let joined = row[0].stack(&row[1..], 0);
        let turned: Vec<Var<'_>> = row.iter().rev().copied().collect();
        let turned = turned[0].stack(&turned[1..], 0);
        vec![joined, turned * all, row[3], row[39] - row[0], row[7]]
    }));
    // The same structure over values that are numbers of their own.
    let g = Builder::new();
    let inputs: Vec<Var<'_>> = (0..40).map(|i| g.input(&format!("x{i}"), dtype::f64, ())).collect();
    let sum = total(inputs.iter().map(|x| x.square() * 3.0));
    agrees(&g.finish(&[sum]).expect("a graph"));
}

/// Comparisons, choices and conversions are structure like any other.
#[test]
fn masks_and_casts() {
    agrees(&graph(dtype::f64, 40, |_, x| {
        let chosen = x.iter().map(|x| x.lt(x.builder().scalar(0.5)).select(*x * 2.0, x.square()));
        let narrow = x.iter().map(|x| (x.cast(dtype::f32) * 0.1).cast(dtype::f64));
        vec![total(chosen), total(narrow)]
    }));
}

/// Values at the edges, where another order or another sign of zero would show.
#[test]
fn edges() {
    let graph = rosenbrock(dtype::f64, 40);
    let sum = graph_of_sums(40);
    let edges = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e308, -1e308, 5e-324, 1.0];
    for graph in [graph, sum] {
        let options = |roll| Options::default().forms(Forms::VALUE_AND_GRAD).roll(roll);
        let programs = [0, 2, 16].map(|roll| Program::compile(&graph, &options(roll)).expect("a program"));
        for turn in 0..edges.len() {
            let x: Vec<f64> = (0..40).map(|i| edges[(i * (turn + 1) + turn) % edges.len()]).collect();
            let results: Vec<Vec<u64>> = programs
                .iter()
                .map(|program| {
                    let mut gradient = vec![0.0; 40];
                    let value = program
                        .value_and_grad(
                            &mut program.workspace(),
                            &[(&x).into()],
                            &mut [(&mut gradient).into()],
                        )
                        .expect("a call");
                    let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
                    gradient.iter().chain([&value]).map(|&x| bits(x)).collect()
                })
                .collect();
            assert!(results.iter().all(|r| *r == results[0]), "edges from {turn} on");
        }
    }
}

fn graph_of_sums(n: usize) -> Graph {
    graph(dtype::f64, n, |_, x| {
        let sum = x[1..].iter().fold(x[0], |sum, x| sum + *x);
        let product = x[1..].iter().fold(x[0], |product, x| product * *x);
        vec![x[1..].iter().fold(sum * product, |difference, x| difference - *x)]
    })
}

/// The sign of a zero that sums, differences and products come to.
#[test]
fn zeros_keep_their_sign() {
    let n = 150;
    for f in [|a, b| a + b, |a, b| a - b, |a, b| a * b] as [for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>; 3] {
        // All partial results.
        let graph = graph(dtype::f64, n, |_, x| {
            let mut all = vec![x[0]];
            x[1..].iter().for_each(|x| all.push(f(all[all.len() - 1], *x)));
            vec![all[0].stack(&all[1..], 0)]
        });
        let results = [0, 2, 16].map(|roll| {
            let options = Options::default().forms(Forms::FORWARD).roll(roll);
            let program = Program::compile(&graph, &options).expect("a program");
            let mut all = Vec::new();
            for zero in [0.0, -0.0] {
                for period in 2..6 {
                    let x: Vec<f64> = (0..n).map(|i| if i % period == 0 { -zero } else { zero }).collect();
                    let mut out = vec![7.0_f64; n];
                    let call =
                        program.forward(&mut program.workspace(), &[(&x).into()], &mut [(&mut out).into()]);
                    call.expect("a call");
                    all.extend(out.iter().map(|x| x.to_bits()));
                }
            }
            all
        });
        assert!(results.iter().all(|r| *r == results[0]));
    }
}

/// A call allocates nothing to begin with; it must still write every output.
#[test]
fn nothing_of_the_output_is_left_as_it_was() {
    let graph = rosenbrock(dtype::f64, 100);
    let program =
        Program::compile(&graph, &Options::default().forms(Forms::VJP).roll(16)).expect("a program");
    let case = Case::random(&graph, 9);
    let fill = |with: f64| {
        let (mut value, mut gradient) = (vec![with], vec![with; 100]);
        let mut outputs = [support::Column::F64(std::mem::take(&mut value))];
        let mut gradients = [support::Column::F64(std::mem::take(&mut gradient))];
        program
            .value_and_vjp(
                &mut program.workspace(),
                &args(&case.inputs),
                &args(&case.seeds),
                &mut args_mut(&mut outputs),
                &mut args_mut(&mut gradients),
            )
            .expect("a call");
        (outputs[0].bits(), gradients[0].bits())
    };
    assert_eq!(fill(7.0), fill(f64::NAN));
}
