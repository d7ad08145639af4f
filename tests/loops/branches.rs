//! Branches and loops that end when a value says so.

use crate::support::{Column, args, args_mut, levels};
use crate::{bits, close};
use cotangent::ops::make;
use cotangent::{Arg, ArgMut, Builder, CustomOp, Forms, Graph, Program, ValueType, Var, dtype};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A branch on the sign of the first input, and the branch that it takes for a seed alone.
fn branch(taken: Option<bool>) -> Graph {
    fn then<'b>(w: Var<'b>, v: &[Var<'b>]) -> Vec<Var<'b>> {
        vec![w.matmul(v[1]).tanh() * v[0], v[1]]
    }
    fn otherwise<'b>(_: Var<'b>, v: &[Var<'b>]) -> Vec<Var<'b>> {
        vec![v[1].exp(), v[1] * v[0]]
    }
    let g = Builder::new();
    let (s, v, w) =
        (g.input("s", dtype::f64, ()), g.input("v", dtype::f64, [3]), g.input("w", dtype::f64, [3, 3]));
    let given = [s, v * 2.0];
    let out = match taken {
        None => g.cond(s.lt(g.scalar(0.0)), &given, |_, v| then(w, v), |_, v| otherwise(w, v)),
        Some(true) => then(w, &given),
        Some(false) => otherwise(w, &given),
    };
    g.finish(&[out[0], out[1] + s]).unwrap()
}

#[test]
fn the_branch_taken_is_differentiated() {
    for seed in 0..6 {
        let looped = branch(None);
        let s = match &crate::Case::random(&looped, seed).inputs[0] {
            Column::F64(v) => v[0],
            other => panic!("{other:?}"),
        };
        let flat = branch(Some(s < 0.0));
        let (a, b) = (bits(&looped, seed), bits(&flat, seed));
        close(&a.outputs, &b.outputs, "outputs");
        close(&a.gradients, &b.gradients, "gradients");
        close(&a.tangents, &b.tangents, "tangents");
        let twice = |g: &Graph| cotangent::vjp(g, &[0, 1, 2]).unwrap().into_graph();
        let (a, b) = (bits(&twice(&looped), seed), bits(&twice(&flat), seed));
        close(&a.gradients, &b.gradients, "second order");
    }
}

#[test]
fn rules_of_branches_hold_exactly() {
    let g = Builder::new();
    let (s, v) = (g.input("s", dtype::f64, ()), g.input("v", dtype::f64, [2]));
    let out = g.cond(s.lt(g.scalar(0.0)), &[s, v], |_, v| vec![v[1] * v[0]], |_, v| vec![v[1] + 1.0]);
    let report = cotangent::check_rules(&g.finish(&out).unwrap(), &cotangent::CheckOptions::default());
    assert!(report.is_ok(), "{report}");
}

/// Newton's method for a square root: as many steps as it takes.
fn newton(written_out: Option<usize>) -> Graph {
    fn step<'b>(a: Var<'b>, x: Var<'b>) -> Var<'b> {
        (x + a / x) * 0.5
    }
    let g = Builder::new();
    let a = g.input("a", dtype::f64, ());
    let square = a.square() + 1.0;
    let last = match written_out {
        Some(n) => (0..n).fold(square, |x, _| step(square, x)),
        None => g.while_loop(
            50,
            &[square],
            |b, x| b.scalar(1e-9).lt((x[0].square() - square).abs()),
            |_, x| vec![step(square, x[0])],
        )[0],
    };
    g.finish(&[last]).unwrap()
}

#[test]
fn a_while_loop_is_the_steps_it_takes() {
    for seed in 0..4 {
        let a = bits(&newton(None), seed);
        let found = (0..50).find(|&n| bits(&newton(Some(n)), seed).outputs == a.outputs);
        let b = bits(&newton(Some(found.expect("the same as some number of steps"))), seed);
        close(&a.gradients, &b.gradients, "gradients");
        close(&a.tangents, &b.tangents, "tangents");
    }
}

#[test]
fn a_while_loop_ends_at_its_bound() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let always = g.constant_of((), [true]);
    let y = g.while_loop(5, &[x], |_, _| always, |_, x| vec![x[0] * 2.0]);
    let graph = g.finish(&y).unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let expected = bits(&g.finish(&[x * 32.0]).unwrap(), 3);
    let got = bits(&graph, 3);
    assert_eq!(
        (got.outputs, got.gradients, got.tangents),
        (expected.outputs, expected.gradients, expected.tangents)
    );
    let text = graph.to_string();
    assert_eq!(Graph::parse(&text).unwrap().to_string(), text);
}

/// After the condition has failed, no step is run: what a step calls is called once for each taken,
/// forward, and once more for each in reverse.
#[test]
fn steps_that_are_not_taken_are_not_run() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let one = ValueType::new(dtype::f64, ());
    let half =
        CustomOp::from_fn("half", std::slice::from_ref(&one), std::slice::from_ref(&one), move |i, o| {
            counter.fetch_add(1, Ordering::Relaxed);
            match (&i[0], &mut o[0]) {
                (Arg::F64(x), ArgMut::F64(y)) => y[0] = x[0] * 0.5,
                _ => return Err("not f64"),
            }
            Ok(())
        })
        .unwrap()
        .with_vjp_fn(|i, o| match (&i[2], &mut o[0]) {
            (Arg::F64(d), ArgMut::F64(x)) => {
                x[0] = d[0] * 0.5;
                Ok(())
            }
            _ => Err("not f64"),
        })
        .unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let y = g.while_loop(100_000, &[x], |b, x| b.scalar(1.0).le(x[0]), |b, x| vec![b.apply(&half, &[x[0]])]);
    let graph = g.finish(&y).unwrap();
    for options in levels() {
        let program = Program::compile(&graph, &options.forms(Forms::VALUE_AND_GRAD)).unwrap();
        let mut workspace = program.workspace();
        // The same workspace: what an earlier call recorded is not there any more.
        for (x, value, slope, taken) in
            [(100.0, 0.78125, 0.0078125, 7), (0.5, 0.5, 1.0, 0), (5.0, 0.625, 0.125, 3)]
        {
            calls.store(0, Ordering::Relaxed);
            let mut gradient = [f64::NAN];
            let (x, out) = ([x], &mut [gradient.as_mut_slice().into()]);
            let got = program.value_and_grad(&mut workspace, &[x.as_slice().into()], out).unwrap();
            assert_eq!((got, gradient[0]), (value, slope), "{x:?}");
            // The value, the states that reverse starts from, and the steps again in reverse: each once.
            let calls = calls.load(Ordering::Relaxed);
            assert!(calls >= taken && calls <= 3 * taken, "{calls} calls for {taken} steps");
        }
    }
}

/// Where the guard of a step stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Guard {
    Carry,
    FirstSlice,
    LastSlice,
}

impl Guard {
    const ALL: [Guard; 3] = [Guard::Carry, Guard::FirstSlice, Guard::LastSlice];

    /// The input of the body that it is.
    fn input(self) -> usize {
        if self == Guard::LastSlice { 2 } else { 1 }
    }
}

/// Guards of all kinds, both ways, against steps whose results are chosen.
#[test]
fn guarded_steps_are_chosen_steps() {
    for (guard, backwards) in Guard::ALL.into_iter().flat_map(|guard| [(guard, false), (guard, true)]) {
        let graphs = [true, false].map(|guarded| guarded_loop(guarded, guard, backwards));
        for seed in 0..4 {
            let [a, b] = [&graphs[0], &graphs[1]].map(|graph| bits(graph, seed));
            close(&a.outputs, &b.outputs, "outputs");
            close(&a.gradients, &b.gradients, "gradients");
            close(&a.tangents, &b.tangents, "tangents");
        }
        let twice = graphs.each_ref().map(|g| cotangent::vjp(g, &[0, 1, 2]).unwrap().into_graph());
        let [a, b] = [&twice[0], &twice[1]].map(|graph| bits(graph, 7));
        close(&a.gradients, &b.gradients, "second order");
    }
}

/// Carries, and what is stacked.
type Scanned<'b> = (Vec<Var<'b>>, Vec<Var<'b>>);

/// Six steps with a boolean among carries or slices: it guards the steps, or chooses what they give.
fn guarded_loop(guarded: bool, guard: Guard, backwards: bool) -> Graph {
    let g = Builder::new();
    let (h, x) = (g.input("h", dtype::f64, [3]), g.input("x", dtype::f64, [6, 3]));
    let w = g.input("w", dtype::f64, [3]);
    let on = g.scalar(-0.9).lt(x.narrow(1, 0, 1).reshape([6]));
    let init = match guard {
        Guard::Carry => vec![h, g.constant_of((), [true])],
        _ => vec![h],
    };
    let xs = if guard == Guard::FirstSlice { [on, x] } else { [x, on] };
    fn step<'b>(guarded: bool, guard: Guard, w: Var<'b>, c: &[Var<'b>], x: &[Var<'b>]) -> Scanned<'b> {
        let (x, next) = if guard == Guard::FirstSlice { (x[1], x[0]) } else { (x[0], x[1]) };
        let on = if guard == Guard::Carry { c[1] } else { next };
        let chosen = |a: Var<'b>, b: Var<'b>| if guarded { a } else { on.select(a, b) };
        let mut carries = vec![chosen((c[0] * w + x).tanh(), c[0])];
        if guard == Guard::Carry {
            carries.push(on.builder().apply(make::and(), &[on, next]));
        }
        (carries, vec![chosen(c[0] * x, c[0] * 0.0)])
    }
    let step = |_: &_, c: &[_], x: &[_]| step(guarded, guard, w, c, x);
    let (last, stacks) = match backwards {
        false => g.scan(6, &init, &xs, step),
        true => g.scan_backwards(6, &init, &xs, step),
    };
    let graph = g.finish(&[last[0], stacks[0]]).unwrap();
    let text = graph.to_string();
    assert!(text.contains("guard=-1"), "{text}");
    match guarded {
        true => Graph::parse(&text.replace("guard=-1", &format!("guard={}", guard.input()))).unwrap(),
        false => graph,
    }
}

/// What a step that is not run would stack is zeros, whatever stood in the memory of the result.
#[test]
fn stacks_of_steps_that_are_not_run_are_written() {
    for guard in Guard::ALL {
        let graph = guarded_loop(true, guard, false);
        let case = crate::Case::random(&graph, 2);
        for options in levels() {
            let program = Program::compile(&graph, &options.forms(Forms::FORWARD)).unwrap();
            let mut ws = program.workspace();
            let [zeros, others] = [0.0, 7.0].map(|with| {
                let mut outputs = [3, 18].map(|n| Column::F64(vec![with; n]));
                program.forward(&mut ws, &args(&case.inputs), &mut args_mut(&mut outputs)).unwrap();
                outputs.map(|column| column.bits())
            });
            assert_eq!(zeros, others, "{guard:?}");
        }
    }
}

/// Carries of every type, and of lengths that are no whole words.
#[test]
fn a_while_loop_of_any_carries() {
    for taken in 0..5 {
        let build = |written_out: bool| {
            let g = Builder::new();
            let (x, b) = (g.input("x", dtype::f32, [3]), g.input("b", dtype::bool, [5]));
            let (y, i) = (g.input("y", dtype::f32, ()), g.input("i", dtype::i64, ()));
            let init = [x, b, y, g.constant_of((), [0.0]), i, g.constant_of((), [7i64])];
            fn step<'b>(c: &[Var<'b>]) -> Vec<Var<'b>> {
                let not = c[0].builder().apply(make::not(), &[c[1]]);
                vec![c[0] * c[2] + 1.0, not, c[2] * -0.5, c[3] + 1.0, c[5], c[4]]
            }
            let last = match written_out {
                true => (0..taken).fold(init.to_vec(), |c, _| step(&c)),
                false => {
                    let end = f64::from(taken);
                    g.while_loop(4, &init, |b, c| c[3].lt(b.scalar(end)), |_, c| step(c))
                }
            };
            g.finish(&last).unwrap()
        };
        for seed in 0..2 {
            let [a, b] = [bits(&build(false), seed), bits(&build(true), seed)];
            assert_eq!(a.outputs, b.outputs, "{taken} steps");
        }
    }
}

/// Each branch has what it took from around it, and a value that it gives twice counts twice.
#[test]
fn branches_that_take_and_give_several_values() {
    for taken in [true, false] {
        let build = |written_out: bool| {
            let g = Builder::new();
            let [a, b, c, x] = ["a", "b", "c", "x"].map(|name| g.input(name, dtype::f64, [2]));
            let on = (a * 0.0).sum().lt(g.scalar(if taken { 1.0 } else { -1.0 }));
            fn then<'b>([a, b, _]: [Var<'b>; 3], x: Var<'b>) -> Vec<Var<'b>> {
                let y = x * a - b;
                vec![y, y, x]
            }
            fn otherwise<'b>([_, b, c]: [Var<'b>; 3], x: Var<'b>) -> Vec<Var<'b>> {
                let y = x.sin() * c;
                vec![y, b * c, y]
            }
            let all = [a, b, c];
            let out = match (written_out, taken) {
                (false, _) => g.cond(on, &[x], |_, x| then(all, x[0]), |_, x| otherwise(all, x[0])),
                (true, true) => then(all, x),
                (true, false) => otherwise(all, x),
            };
            g.finish(&out).unwrap()
        };
        let [a, b] = [bits(&build(false), 5), bits(&build(true), 5)];
        close(&a.outputs, &b.outputs, "outputs");
        close(&a.gradients, &b.gradients, "gradients");
        close(&a.tangents, &b.tangents, "tangents");
    }
}

#[test]
fn a_guard_is_one_boolean_that_moves() {
    let text = guarded_loop(false, Guard::Carry, false).to_string();
    for guard in [0, 2, 4, 100] {
        let error = Graph::parse(&text.replace("guard=-1", &format!("guard={guard}"))).unwrap_err();
        assert!(error.to_string().contains(&format!("its guard, input {guard} of its body")), "{error}");
    }
}
