//! Ops of the user's own: as graphs they are like any op, as callbacks they run on
//! the tape and in compiled code, and their errors are errors of the call.

use crate::support::{self, Case, Column, Rng, args, args_mut, levels, random, types, vector_forms};
use crate::{close, outputs, outputs_at, reals};
use cotangent::graph::GraphErrorKind;
use cotangent::ops::{CustomRole, OpError};
use cotangent::program::RunError;
use cotangent::tape::{TapeError, Tensor};
use cotangent::{
    Arg, ArgMut, Builder, CustomOp, CustomRule, Forms, Graph, Options, Program, Tape, ValueType,
};
use cotangent::{dtype, gradient, hessian, hvp, jacobian, jvp, vjp};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn vector(n: usize) -> ValueType {
    ValueType::new(dtype::f64, [n])
}

/// A graph of inputs of these lengths.
fn graph_of<const N: usize>(
    lengths: [usize; N],
    f: impl for<'b> FnOnce(&'b Builder, [cotangent::Var<'b>; N]) -> Vec<cotangent::Var<'b>>,
) -> Graph {
    let g = Builder::new();
    let mut i = 0;
    let inputs = lengths.map(|n| {
        i += 1;
        g.input(&format!("i{i}"), dtype::f64, [n])
    });
    g.finish(&f(&g, inputs)).unwrap()
}

/// a * sin(b), with rules written down.
fn wave() -> CustomOp {
    let forward = graph_of([2, 2], |_, [a, b]| vec![a * b.sin()]);
    let vjp = graph_of([2, 2, 2, 2], |_, [a, b, _, d]| vec![d * b.sin(), d * a * b.cos()]);
    let jvp = graph_of([2, 2, 2, 2, 2], |_, [a, b, _, da, db]| vec![da * b.sin() + a * b.cos() * db]);
    CustomOp::from_graphs("wave", forward, vjp, jvp).unwrap()
}

fn f64s<'a>(arg: &'a Arg<'_>) -> Result<&'a [f64], String> {
    match arg {
        Arg::F64(v) => Ok(v),
        other => Err(format!("not f64: {other:?}")),
    }
}

/// The same by callbacks.
fn native_wave() -> CustomOp {
    fn each(inputs: &[Arg<'_>], output: &mut ArgMut<'_>, f: fn(&[f64]) -> f64) -> Result<(), String> {
        let ArgMut::F64(out) = output else { return Err("not f64".into()) };
        for (i, out) in out.iter_mut().enumerate() {
            let at: Vec<f64> =
                inputs.iter().map(|arg| f64s(arg).map(|v| v[i])).collect::<Result<_, String>>()?;
            *out = f(&at);
        }
        Ok(())
    }
    CustomOp::from_fn("native_wave", &[vector(2), vector(2)], &[vector(2)], |i, o| {
        each(i, &mut o[0], |v| v[0] * v[1].sin())
    })
    .unwrap()
    .with_vjp_fn(|i, o| {
        each(i, &mut o[0], |v| v[3] * v[1].sin())?;
        each(i, &mut o[1], |v| v[3] * v[0] * v[1].cos())
    })
    .unwrap()
    .with_jvp_fn(|i, o| each(i, &mut o[0], |v| v[3] * v[1].sin() + v[0] * v[1].cos() * v[4]))
    .unwrap()
}

/// A loss with the op in the middle of other work.
fn loss(op: Option<&CustomOp>) -> Graph {
    graph_of([2, 2], |g, [a, b]| {
        let (a, b) = (a.square(), b + a);
        let middle = match op {
            Some(op) => g.apply(op, &[a, b]),
            None => a * b.sin(),
        };
        vec![(middle * middle + b).sum()]
    })
}

#[test]
fn a_graph_is_seen_through_and_differentiated_to_any_order() {
    let (custom, plain) = (loss(Some(&wave())), loss(None));
    let check = |custom: &Graph, plain: &Graph| {
        for (a, b) in outputs(custom, 7).iter().zip(&outputs(plain, 7)) {
            close(reals(a), reals(b));
        }
    };
    check(&custom, &plain);
    let of = |f: &dyn Fn(&Graph) -> Graph| check(&f(&custom), &f(&plain));
    of(&|g| gradient(g, &[0, 1]).unwrap().into_graph());
    of(&|g| hessian(g, &[0, 1]).unwrap().into_graph());
    of(&|g| jacobian(hessian(g, &[0]).unwrap(), &[1]).unwrap().into_graph());
    of(&|g| jvp(hvp(g, &[1]).unwrap(), &[0]).unwrap().into_graph());

    let items = |graph: &Graph| {
        let options = Options::default().forms(Forms::FORWARD);
        Program::compile(graph, &options).unwrap().report().items
    };
    assert_eq!(items(&custom), items(&plain), "the op stands in the way of the lowering");
}

#[test]
fn rules_may_follow_from_the_definition() {
    let forward = graph_of([2, 2], |_, [a, b]| vec![a * b.sin()]);
    let by = || CustomRule::ByDefinition;
    let op = CustomOp::from_graphs("defined_wave", forward, by(), by()).unwrap();
    let point = random(&vec![vector(2); 2], &mut Rng(3));
    let third = |g: &Graph| jacobian(hessian(g, &[0, 1]).unwrap(), &[0, 1]).unwrap().into_graph();
    let (a, b) = (outputs_at(&third(&loss(Some(&op))), &point), outputs_at(&third(&loss(None)), &point));
    for (a, b) in a.iter().zip(&b) {
        close(reals(a), reals(b));
    }
}

#[test]
fn graphs_of_exact_ops_are_exact() {
    use cotangent::tape::{Data, Exact, bits, one};
    let forward = graph_of([1, 1], |_, [a, b]| vec![a * b]);
    let vjp = graph_of([1, 1, 1, 1], |_, [a, b, _, d]| vec![d * b, d * a]);
    let op = CustomOp::from_graphs("times", forward, vjp, CustomRule::Missing).unwrap();
    assert!(op.is_exact() && !wave().is_exact() && !native_wave().is_exact());
    let graph = graph_of([1, 1], |g, [a, b]| vec![g.apply(&op, &[a, b])]);
    let third = one() / (one() + one() + one());
    let numbers = || Tensor::<Exact>::new([1], Data::F64([third.clone()].into_iter().collect())).unwrap();
    let tape: Tape<'_, Exact> = Tape::compile(&graph, vec![numbers(), numbers()]).unwrap();
    let ninth = third.clone() * third.clone();
    assert_eq!(tape.outputs()[0].as_f64().unwrap(), [ninth]);
    assert!(bits(&third) > 0);
    let graph = graph_of([2, 2], |g, [a, b]| vec![g.apply(&native_wave(), &[a, b])]);
    let two = || Tensor::<Exact>::new([2], Data::F64([one(), one()].into_iter().collect())).unwrap();
    let refused = Tape::<Exact>::compile(&graph, vec![two(), two()]).err().unwrap();
    assert!(refused.to_string().contains("native_wave: a callback takes"), "{refused}");
}

#[test]
fn callbacks_run_in_every_form_on_tape_and_in_compiled_code() {
    let op = native_wave();
    let graph = graph_of([2, 2], |g, [a, b]| {
        let first = g.apply(&op, &[a.exp(), b]);
        vec![g.apply(&op, &[first, a]) * b, first]
    });
    for options in levels().into_iter().chain([Options::default().unroll(0)]) {
        let program = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        for seed in 0..3 {
            let case = Case::random(&graph, seed);
            assert_eq!(support::run(&program, &case).unwrap(), support::run_tape(&graph, &case).unwrap());
        }
    }
    for (a, b) in [(loss(Some(&op)), loss(Some(&wave())))] {
        for (a, b) in outputs(&gradient(&a, &[0, 1]).unwrap(), 2)
            .iter()
            .zip(&outputs(&gradient(&b, &[0, 1]).unwrap(), 2))
        {
            close(reals(a), reals(b));
        }
    }
}

/// Two results of other types, operands of every type, one result unused.
#[test]
fn callbacks_take_and_give_every_type() {
    let types_in = [
        ValueType::new(dtype::f32, [3]),
        ValueType::new(dtype::i64, []),
        ValueType::new(dtype::bool, [2]),
        ValueType::new(dtype::f64, [0, 4]),
    ];
    let types_out =
        [ValueType::new(dtype::bool, [2]), ValueType::new(dtype::f32, [3]), ValueType::new(dtype::i64, [2])];
    let op = CustomOp::from_fn("every_type", &types_in, &types_out, |i, o| match (i, o) {
        (
            [Arg::F32(x), Arg::I64([k]), Arg::Bool(m), Arg::F64([])],
            [ArgMut::Bool(flipped), ArgMut::F32(y), ArgMut::I64(n)],
        ) => {
            flipped.iter_mut().zip(m.iter()).for_each(|(f, &m)| *f = !m);
            y.iter_mut().zip(x.iter()).for_each(|(y, &x)| *y = x * *k as f32);
            // The last element is left as it was: zero.
            n[0] = *k + 1;
            Ok(())
        }
        _ => Err("other types"),
    })
    .unwrap();
    let g = Builder::new();
    let inputs: Vec<_> = types_in
        .iter()
        .enumerate()
        .map(|(i, ty)| g.input(&format!("i{i}"), ty.dtype, ty.shape.clone()))
        .collect();
    let results = g.apply_custom(&op, &inputs);
    let graph = g.finish(&[results[2], results[1] + results[1]]).unwrap();
    let given = [
        Column::F32(vec![1.0, 2.0, 3.0]),
        Column::I64(vec![5]),
        Column::Bool(vec![true, false]),
        Column::F64(vec![]),
    ];
    let out = outputs_at(&graph, &given);
    assert!(matches!(&out[0], Column::I64(v) if v == &[6, 0]), "{out:?}");
    assert!(matches!(&out[1], Column::F32(v) if v == &[10.0, 20.0, 30.0]), "{out:?}");
}

#[test]
fn what_has_no_rule_is_an_error_that_names_the_op() {
    let bare = CustomOp::from_fn("bare", &[vector(2)], &[vector(2)], |_, _| Ok::<(), String>(())).unwrap();
    let graph = graph_of([2], |g, [x]| vec![g.apply(&bare, &[x]).sum()]);
    let missing = |error: cotangent::GraphError, rule: &str| {
        let text = error.to_string();
        assert!(text.contains(&format!("bare: has no {rule} rule")) && text.contains("custom.rs"), "{text}");
    };
    missing(gradient(&graph, &[0]).unwrap_err(), "VJP");
    missing(jvp(&graph, &[0]).unwrap_err(), "JVP");
    let tape = Tape::compile(&graph, vec![Tensor::f64([2], &[1.0, 2.0]).unwrap()]).unwrap();
    assert!(
        tape.backward_scalar(graph.outputs()[0]).unwrap_err().to_string().contains("bare: has no VJP rule")
    );
    assert!(Program::compile(&graph, &Options::default()).err().unwrap().to_string().contains("bare"));

    // The callback of a rule has no rules of its own; another op may have.
    let once = loss(Some(&native_wave()));
    let error = hessian(&once, &[0]).unwrap_err();
    assert!(error.to_string().contains("native_wave: has no JVP rule"), "{error}");
    let rule = graph_of([2, 2, 2, 2], |_, [a, b, _, d]| vec![d * b.sin(), d * a * b.cos()]);
    let mixed = native_wave().with_vjp(rule).unwrap();
    for (a, b) in outputs(&hessian(loss(Some(&mixed)), &[0, 1]).unwrap(), 2)
        .iter()
        .zip(&outputs(&hessian(loss(None), &[0, 1]).unwrap(), 2))
    {
        close(reals(a), reals(b));
    }
}

/// x, and an error where x is negative; the rules fail where a seed or tangent is.
fn picky(name: &'static str) -> CustomOp {
    let check = |i: &[Arg<'_>], o: &mut [ArgMut<'_>]| {
        let (Some(Arg::F64(x)), Some(ArgMut::F64(y))) = (i.last(), o.first_mut()) else {
            return Err("not f64".to_string());
        };
        if let Some(bad) = x.iter().find(|x| **x < 0.0) {
            return Err(format!("{bad} is negative"));
        }
        if x.contains(&13.0) {
            panic!("{} is unlucky", 13);
        }
        y.copy_from_slice(x);
        Ok(())
    };
    let op = CustomOp::from_fn(name, &[vector(1)], &[vector(1)], check).unwrap();
    op.with_vjp_fn(check).unwrap().with_jvp_fn(check).unwrap()
}

#[test]
fn errors_and_panics_of_callbacks_are_errors_of_the_call() {
    std::panic::set_hook(Box::new(|_| {}));
    let (first, second) = (picky("first"), picky("second"));
    let graph = graph_of([1], |g, [x]| vec![g.apply(&second, &[g.apply(&first, &[x]) - 1.0])]);
    let program = Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap();
    let mut ws = program.workspace();
    let (mut y, mut d) = ([0.0], [0.0]);
    let expected = [
        (3.0, None),
        (-2.0, Some(("first", 0, "-2 is negative"))),
        (0.5, Some(("second", 3, "-0.5 is negative"))),
        (13.0, Some(("first", 0, "it panicked: 13 is unlucky"))),
        (14.0, Some(("second", 3, "it panicked: 13 is unlucky"))),
        (4.0, None),
    ];
    let node_of = |name: &str| graph.nodes_with_ids().find(|(_, n)| n.op.name() == name).map(|(id, _)| id);
    for (x, failed) in expected {
        let code = program.forward(&mut ws, &[(&[x]).into()], &mut [(&mut y).into()]);
        let tape = Tape::<cotangent::tape::Native>::compile(&graph, vec![Tensor::f64([1], &[x]).unwrap()]);
        match failed {
            None => assert_eq!((code, y, tape.is_ok()), (Ok(()), [x - 1.0], true)),
            Some((name, _, text)) => {
                let Err(RunError::Callback { op, role, node, why, location }) = code else {
                    panic!("{x}: {code:?}")
                };
                assert_eq!((op, role, node, why.as_str()), (name, CustomRole::Value, node_of(name), text));
                assert!(location.is_some_and(|at| at.file().ends_with("custom.rs")));
                let Err(TapeError::Graph(error)) = tape else { panic!("the tape has no error") };
                assert_eq!(error.node(), node_of(name));
                let GraphErrorKind::Op(OpError::Callback { op, why, .. }) = error.kind() else {
                    panic!("{error}")
                };
                assert_eq!((*op, why.as_str()), (name, text));
            }
        }
    }
    // Rules too, in every form that runs them, with the node that they are rules of.
    let of_rule = |result: Result<(), RunError>, wanted: CustomRole| {
        let Err(RunError::Callback { op, role, node, why, location }) = result else { panic!("{result:?}") };
        assert_eq!((op, role, node), ("second", wanted, node_of("second")));
        assert_eq!(why, "-1 is negative");
        assert!(location.is_some());
    };
    let (x, seed) = ([3.0], [-1.0]);
    program.forward(&mut ws, &[(&x).into()], &mut [(&mut y).into()]).unwrap();
    of_rule(program.reverse(&mut ws, &[(&seed).into()], &mut [(&mut d).into()]), CustomRole::Vjp(1));
    let mut calls = [(&mut y).into()];
    let fused =
        program.value_and_vjp(&mut ws, &[(&x).into()], &[(&seed).into()], &mut calls, &mut [(&mut d).into()]);
    of_rule(fused, CustomRole::Vjp(1));
    program.forward_dense(&mut ws, &[(&x).into()]).unwrap();
    program.set_seed(&mut ws, graph.outputs()[0], (&seed).into()).unwrap();
    of_rule(program.reverse_dense(&mut ws), CustomRole::Vjp(1));
    // The first one is the first to be given a negative tangent.
    let moved = program.jvp(
        &mut ws,
        &[(&x).into()],
        &[(&seed).into()],
        &mut [(&mut y).into()],
        &mut [(&mut d).into()],
    );
    let text = moved.unwrap_err().to_string();
    assert!(
        text.starts_with("node n0: first: the callback of the JVP rule failed: -1 is negative at "),
        "{text}"
    );
    let _ = std::panic::take_hook();
}

#[test]
fn programs_with_callbacks_are_shared_between_threads() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let op = CustomOp::from_fn("double", &[vector(2)], &[vector(2)], move |i, o| {
        counted.fetch_add(1, Ordering::Relaxed);
        let ([Arg::F64(x)], [ArgMut::F64(y)]) = (i, o) else { return Err("types") };
        y.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = 2.0 * x);
        Ok(())
    })
    .unwrap();
    let graph = graph_of([2], |g, [x]| vec![g.apply(&op, &[x])]);
    let program = Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap();
    std::thread::scope(|scope| {
        for t in 0..4 {
            let program = &program;
            scope.spawn(move || {
                let mut ws = program.workspace();
                for i in 0..100 {
                    let x = [f64::from(t), f64::from(i)];
                    let mut y = [0.0; 2];
                    program.forward(&mut ws, &[(&x).into()], &mut [(&mut y).into()]).unwrap();
                    assert_eq!(y, [2.0 * x[0], 2.0 * x[1]]);
                }
            });
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), 400);
    // The closure goes with the last of graph, op and program.
    drop((graph, program, op));
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[test]
fn rules_are_checked_against_operands_and_results() {
    let forward = || graph_of([2, 3], |_, [a, b]| vec![a * b.sum()]);
    let missing = || CustomRule::Missing;
    let vjp_error =
        |rule: Graph| CustomOp::from_graphs("f", forward(), rule, missing()).unwrap_err().to_string();
    let cases = [
        (
            graph_of([2, 3, 2], |_, [a, b, _]| vec![a, b]),
            "takes 3 inputs instead of 4: 2 operands, 1 results and 1 cotangents",
        ),
        (
            graph_of([2, 3, 2, 3], |_, [a, b, ..]| vec![a, b]),
            "takes f64[3] as input 3, which is f64[2] (float number 0)",
        ),
        (
            graph_of([3, 3, 2, 2], |_, [_, b, c, _]| vec![c, b]),
            "takes f64[3] as input 0, which is f64[2] (operand 0)",
        ),
        (
            graph_of([2, 3, 2, 2], |_, [a, ..]| vec![a]),
            "gives 1 outputs instead of 2, one for each float operand",
        ),
        (graph_of([2, 3, 2, 2], |_, [a, ..]| vec![a, a]), "gives f64[2] as output 1, which must be f64[3]"),
    ];
    for (rule, text) in cases {
        assert_eq!(vjp_error(rule), format!("f: the VJP rule {text}"));
    }
    let jvp = graph_of([2, 3, 2, 2], |_, [a, ..]| vec![a]);
    let error = CustomOp::from_graphs("f", forward(), missing(), jvp).unwrap_err();
    assert!(error.to_string().contains("f: the JVP rule takes 4 inputs instead of 5"), "{error}");
    let native = CustomOp::from_fn("f", &[vector(1)], &[vector(1)], |_, _| Err("never called")).unwrap();
    let error = native.with_vjp(CustomRule::ByDefinition).unwrap_err();
    assert!(error.to_string().contains("cannot follow from the definition"), "{error}");

    for name in ["", "2x", "a b", "a-b", "exp"] {
        let error = CustomOp::from_graphs(name, forward(), missing(), missing()).unwrap_err();
        assert!(matches!(error, OpError::Refused { .. }), "{error}");
    }
    let many = vec![vector(1); 65];
    let error = CustomOp::from_fn("f", &many, &[vector(1)], |_, _| Err("never called")).unwrap_err();
    assert!(error.to_string().contains("65 operands"), "{error}");
    assert!(CustomOp::from_fn("f", &[], &[], |_, _| Err("never called")).is_err());
}

#[test]
fn operands_of_other_types_are_named_with_their_line() {
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f64, [2]), g.input("b", dtype::f32, [2]));
    let wrong = g.apply(&wave(), &[a, b]);
    let error = g.finish(&[wrong]).unwrap_err().to_string();
    assert!(error.contains("wave: operand 1 has type f32[2], expected f64[2]"), "{error}");
    assert!(error.contains("%1 \"b\"") && error.contains("custom.rs"), "{error}");
    let g = Builder::new();
    let a = g.input("a", dtype::f64, [2]);
    let error = g.finish(&[g.apply(&wave(), &[a])]).unwrap_err().to_string();
    assert!(error.contains("wave: takes 2 operands, got 1"), "{error}");
}

/// Each op uses the one before twice: neither time nor memory may follow.
#[test]
fn ops_within_ops_are_bounded() {
    let twice = |inner: &CustomOp| {
        let graph = graph_of([1], |g, [x]| vec![g.apply(inner, &[g.apply(inner, &[x])])]);
        CustomOp::from_graphs("twice", graph, CustomRule::ByDefinition, CustomRule::ByDefinition)
    };
    let graph = graph_of([1], |_, [x]| vec![x + 1.0]);
    let mut op =
        CustomOp::from_graphs("plus", graph, CustomRule::ByDefinition, CustomRule::ByDefinition).unwrap();
    let error = (0..100).find_map(|_| twice(&op).map(|next| op = next).err()).unwrap();
    assert!(error.to_string().contains("stands for more than"), "{error}");
    let wrap = |inner: &CustomOp| {
        let graph = graph_of([1], |g, [x]| vec![g.apply(inner, &[x])]);
        CustomOp::from_graphs("wrap", graph, CustomRule::Missing, CustomRule::Missing)
    };
    let graph = graph_of([1], |_, [x]| vec![x + 1.0]);
    let mut op = CustomOp::from_graphs("plus", graph, CustomRule::Missing, CustomRule::Missing).unwrap();
    let error = (0..100).find_map(|_| wrap(&op).map(|next| op = next).err()).unwrap();
    assert!(error.to_string().contains("more than 64 custom ops within each other"), "{error}");
}

#[test]
fn the_text_form_names_custom_ops_and_takes_them_back() {
    let (graph_op, callback) = (wave(), native_wave());
    let graph = graph_of([2, 2], |g, [a, b]| vec![g.apply(&callback, &[g.apply(&graph_op, &[a, b]), b])]);
    let derived = vjp(&graph, &[0, 1]).unwrap().into_graph();
    for graph in [&graph, &derived] {
        let text = graph.to_string();
        let read = Graph::parse_with(&text, &[graph_op.clone(), callback.clone()]).unwrap();
        assert_eq!(read.to_string(), text);
        let inputs = random(&types(graph, graph.input_values()), &mut Rng(1));
        let bits = |g: &Graph| outputs_at(g, &inputs).iter().map(Column::bits).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(graph));
        let error = Graph::parse(&text).unwrap_err().to_string();
        assert!(error.contains("unknown op `wave`") && error.contains("Graph::parse_with"), "{error}");
    }
    assert!(derived.to_string().contains("# native_wave is a custom op: not in this text"));
    assert!(derived.to_string().contains("= native_wave_vjp %"), "{derived}");
}

/// A callback could call the function it is part of, whose memory is in use.
#[test]
fn one_line_functions_refuse_callbacks() {
    let op = picky("part");
    let made = cotangent::jit::<1>(|[x]| x.builder().apply(&op, &[x.reshape([1])]).sum());
    assert!(made.err().unwrap().to_string().starts_with("callbacks of custom ops run in a Program"));
}

/// Compiled code gives the values that the tape gives, call after call.
#[test]
fn calls_after_a_failed_call_are_unharmed() {
    let op = picky("after");
    let graph = graph_of([1], |g, [x]| vec![g.apply(&op, &[x]).sum()]);
    let program = Program::compile(&graph, &Options::default()).unwrap();
    let mut ws = program.workspace();
    for round in 0..5 {
        let mut d = [0.0];
        assert!(program.value_and_grad(&mut ws, &[(&[-1.0]).into()], &mut [(&mut d).into()]).is_err());
        let x = [f64::from(round)];
        let value = program.value_and_grad(&mut ws, &[(&x).into()], &mut [(&mut d).into()]);
        assert_eq!((value, d), (Ok(x[0]), [1.0]));
    }
    let mut y = [Column::F64(vec![0.0])];
    program.forward(&mut ws, &args(&[Column::F64(vec![2.0])]), &mut args_mut(&mut y)).unwrap();
    assert_eq!(reals(&y[0]), [2.0]);
}

/// x times the element at i of a table of four; its rules read one of two.
fn looked_up() -> CustomOp {
    let product = |names: &[&str]| {
        let g = Builder::new();
        let i = g.input("i", dtype::i64, [1]);
        let d = names.iter().map(|name| g.input(name, dtype::f64, [1])).last().unwrap();
        let table = g.constant([1.0, 2.0, 3.0, 4.0]).narrow(0, 0, if names.len() == 1 { 4 } else { 2 });
        g.finish(&[d * table.gather(0, i)]).unwrap()
    };
    CustomOp::from_graphs("looked_up", product(&["x"]), product(&["x", "y", "d"]), product(&["x", "y", "d"]))
        .unwrap()
}

/// What a rule reads past the end is an error at the node it is a rule of, with
/// its line: the nodes of derived graphs have numbers of their own.
#[test]
fn indices_out_of_range_in_rules_name_the_node_of_the_graph() {
    let g = Builder::new();
    let (i, x) = (g.input("i", dtype::i64, [1]), g.input("x", dtype::f64, [1]));
    let line = line!() + 1;
    let y = g.apply(&looked_up(), &[i, x.exp()]);
    let graph = g.finish(&[(y.sin() + x).sum()]).unwrap();
    let id = graph.nodes_with_ids().find(|(_, n)| n.op.name() == "looked_up").map(|(id, _)| id).unwrap();
    let point = || vec![Tensor::i64([1], &[3]).unwrap(), Tensor::f64([1], &[0.5]).unwrap()];
    let tape: Tape<'_> = Tape::compile(&graph, point()).unwrap();
    let Err(TapeError::Graph(expected)) = tape.backward_scalar(graph.outputs()[0]) else {
        panic!("no error")
    };
    assert_eq!((expected.node(), expected.location().map(|at| at.line())), (Some(id), Some(line)));
    let named = |result: Result<(), RunError>| {
        let Err(RunError::Index { op, node, index, len, location, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!((op, node, index, len), ("gather", id, 3, 2));
        assert_eq!(location.map(|at| (at.file(), at.line())), Some((file!(), line)));
    };
    let (i, x, one, mut y, mut d) = ([3i64], [0.5], [1.0], [0.0], [0.0]);
    for options in levels() {
        let all = vector_forms() | Forms::VALUE_AND_GRAD;
        let program = Program::compile(&graph, &options.forms(all)).unwrap();
        let (mut ws, at) = (program.workspace(), [(&i).into(), (&x).into()]);
        program.forward(&mut ws, &at, &mut [(&mut y).into()]).unwrap();
        named(program.reverse(&mut ws, &[(&one).into()], &mut [(&mut d).into()]));
        named(program.value_and_grad(&mut ws, &at, &mut [(&mut d).into()]).map(|_| ()));
        let (outputs, moved) = (&mut [(&mut y).into()], &mut [(&mut d).into()]);
        named(program.value_and_vjp(&mut ws, &at, &[(&one).into()], outputs, moved));
        named(program.jvp(&mut ws, &at, &[(&one).into()], outputs, moved));
        program.forward_dense(&mut ws, &at).unwrap();
        program.set_seed(&mut ws, graph.outputs()[0], (&one).into()).unwrap();
        named(program.reverse_dense(&mut ws));
    }
}
