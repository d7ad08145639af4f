//! Calls with the wrong arguments, on the wrong workspace, in the wrong order.

use crate::support::vector_forms;
use cotangent::program::{Elements, Role};
use cotangent::{
    Arg, ArgMut, Builder, CompileError, Forms, Graph, Options, Program, RunError, Tape, ValueId, dtype,
};

/// Two inputs of different types, two outputs of different types.
fn graph() -> Graph {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [2, 3]), g.input("i", dtype::i64, [4]));
    let picked = x.index_select(1, i);
    g.finish(&[picked.sin(), picked.sum().cast(dtype::f32)]).unwrap()
}

fn program() -> Program {
    Program::compile(&graph(), &Options::default().forms(vector_forms())).unwrap()
}

const X: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
const I: [i64; 4] = [0, 2, 1, 0];

fn text(result: Result<(), RunError>) -> String {
    result.expect_err("a mistake").to_string()
}

#[test]
fn wrong_counts_types_and_lengths_are_named() {
    let p = program();
    let mut ws = p.workspace();
    let (mut y, mut s) = ([0.0; 8], [0.0f32]);
    let x32 = [0f32; 6];
    let mut forward =
        |inputs: &[Arg<'_>]| p.forward(&mut ws, inputs, &mut [(&mut y).into(), (&mut s).into()]);
    assert_eq!(text(forward(&[])), "expected 2 inputs, got 0");
    assert_eq!(text(forward(&[(&X).into(); 3])), "expected 2 inputs, got 3");
    let short = forward(&[X[..5].into(), (&I).into()]);
    assert!(matches!(short, Err(RunError::Length { role: Role::Input, index: 0, got: 5, .. })));
    assert_eq!(text(short), "input 0: expected 6 elements for f64[2,3], got 5");
    assert_eq!(
        text(forward(&[(&x32).into(), (&I).into()])),
        "input 0: expected f64[2,3], got a slice of f32"
    );
    assert_eq!(
        text(forward(&[(&X).into(), (&[true; 4]).into()])),
        "input 1: expected i64[4], got a slice of bool"
    );
    assert_eq!(
        text(forward(&[(&X).into(), (&[] as &[i64]).into()])),
        "input 1: expected 4 elements for i64[4], got 0"
    );
    forward(&[(&X).into(), (&I).into()]).unwrap();

    let inputs = [(&X).into(), (&I).into()];
    let mut ws = p.workspace();
    let mut long = [0.0; 9];
    let wrong = p.forward(&mut ws, &inputs, &mut [(&mut long).into(), (&mut s).into()]);
    assert_eq!(text(wrong), "output 0: expected 8 elements for f64[2,4], got 9");
    assert_eq!(text(p.forward(&mut ws, &inputs, &mut [])), "expected 2 outputs, got 0");
    let mut flags = [true];
    let wrong = p.forward(&mut ws, &inputs, &mut [(&mut y).into(), (&mut flags).into()]);
    assert_eq!(text(wrong), "output 1: expected f32[], got a slice of bool");
}

#[test]
fn every_role_is_checked() {
    let p = program();
    let mut ws = p.workspace();
    let (mut y, mut s, mut dx) = ([0.0; 8], [0.0f32], [0.0; 6]);
    let inputs: [Arg<'_>; 2] = [(&X).into(), (&I).into()];
    let (seed, seeds): ([f64; 8], [f32; 1]) = ([1.0; 8], [1.0]);
    let both: [Arg<'_>; 2] = [(&seed).into(), (&seeds).into()];
    p.forward(&mut ws, &inputs, &mut [(&mut y).into(), (&mut s).into()]).unwrap();
    assert_eq!(text(p.reverse(&mut ws, &both[..1], &mut [(&mut dx).into()])), "expected 2 seeds, got 1");
    assert_eq!(text(p.reverse(&mut ws, &both, &mut [])), "expected 1 gradients, got 0");
    let swapped = [both[1], both[0]];
    assert_eq!(
        text(p.reverse(&mut ws, &swapped, &mut [(&mut dx).into()])),
        "seed 0: expected f64[2,4], got a slice of f32"
    );
    assert_eq!(
        text(p.reverse(&mut ws, &both, &mut [ArgMut::F64(&mut dx[..0])])),
        "gradient 0: expected 6 elements for f64[2,3], got 0"
    );
    let mut outs: [ArgMut<'_>; 2] = [(&mut y).into(), (&mut s).into()];
    let fused = p.value_and_vjp(&mut ws, &inputs, &[], &mut outs, &mut [(&mut dx).into()]);
    assert_eq!(text(fused), "expected 2 seeds, got 0");
    let fused = p.value_and_vjp(&mut ws, &inputs, &both, &mut outs, &mut []);
    assert_eq!(text(fused), "expected 1 gradients, got 0");
    let (mut dy, mut ds) = ([0.0; 8], [0.0f32]);
    let moved = p.jvp(&mut ws, &inputs, &[], &mut outs, &mut [(&mut dy).into(), (&mut ds).into()]);
    assert_eq!(text(moved), "expected 1 tangents, got 0");
    let moved = p.jvp(&mut ws, &inputs, &[(&X).into()], &mut outs, &mut [(&mut ds).into(), (&mut dy).into()]);
    assert_eq!(text(moved), "tangent 0: expected f64[2,4], got a slice of f32");
}

#[test]
fn forms_that_were_not_compiled() {
    let graph = graph();
    let p = Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap();
    let mut ws = p.workspace();
    let v = ValueId::new(0);
    let wrong = [
        text(p.reverse(&mut ws, &[], &mut [])),
        text(p.value_and_grad(&mut ws, &[], &mut []).map(drop)),
        text(p.value_and_vjp(&mut ws, &[], &[], &mut [], &mut [])),
        text(p.jvp(&mut ws, &[], &[], &mut [], &mut [])),
        text(p.forward_dense(&mut ws, &[])),
        text(p.reverse_dense(&mut ws)),
        text(p.value(&ws, v).map(drop)),
        text(p.gradient(&ws, v).map(drop)),
        text(p.set_seed(&mut ws, v, (&X).into())),
    ];
    let names = ["REVERSE", "VALUE_AND_GRAD", "VJP", "JVP", "DENSE", "DENSE", "DENSE", "DENSE", "DENSE"];
    for (text, name) in wrong.iter().zip(names) {
        assert_eq!(*text, format!("this program was compiled without Forms::{name} (see Options::forms)"));
    }
    let p = Program::compile(&graph, &Options::default().forms(Forms::JVP)).unwrap();
    let text = text(p.forward(&mut p.workspace(), &[], &mut []));
    assert!(text.contains("Forms::FORWARD"), "{text}");
}

#[test]
fn reverse_needs_its_forward() {
    let p = program();
    let mut ws = p.workspace();
    let (mut y, mut s, mut dx) = ([0.0; 8], [0.0f32], [0.0; 6]);
    let inputs: [Arg<'_>; 2] = [(&X).into(), (&I).into()];
    let (seed, seeds): ([f64; 8], [f32; 1]) = ([1.0; 8], [1.0]);
    let seeds: [Arg<'_>; 2] = [(&seed).into(), (&seeds).into()];
    let before = "reverse before forward: call forward on this workspace first";
    let dense = "reverse before forward: call forward_dense on this workspace first";
    assert_eq!(text(p.reverse(&mut ws, &seeds, &mut [(&mut dx).into()])), before);
    assert_eq!(text(p.reverse_dense(&mut ws)), dense);
    p.forward(&mut ws, &inputs, &mut [(&mut y).into(), (&mut s).into()]).unwrap();
    assert_eq!(text(p.reverse_dense(&mut ws)), dense);
    p.reverse(&mut ws, &seeds, &mut [(&mut dx).into()]).unwrap();
    // A forward call that failed leaves nothing to go back from.
    let wild: [Arg<'_>; 2] = [(&X).into(), (&[0i64, 3, 0, 0]).into()];
    p.forward(&mut ws, &wild, &mut [(&mut y).into(), (&mut s).into()]).unwrap_err();
    assert_eq!(text(p.reverse(&mut ws, &seeds, &mut [(&mut dx).into()])), before);
    p.forward_dense(&mut ws, &wild).unwrap_err();
    assert_eq!(text(p.reverse_dense(&mut ws)), dense);
    p.forward_dense(&mut ws, &inputs).unwrap();
    p.reverse_dense(&mut ws).unwrap();
}

#[test]
fn workspaces_belong_to_one_program() {
    let (p, q) = (program(), program());
    let mut ws = q.workspace();
    let foreign = Err(RunError::ForeignWorkspace);
    let mut y = ([0.0; 8], [0.0f32]);
    let inputs: [Arg<'_>; 2] = [(&X).into(), (&I).into()];
    let v = ValueId::new(0);
    let mut outputs: [ArgMut<'_>; 2] = [(&mut y.0).into(), (&mut y.1).into()];
    assert_eq!(p.forward(&mut ws, &inputs, &mut outputs), foreign);
    assert_eq!(p.reverse(&mut ws, &[], &mut []), foreign);
    assert_eq!(p.value_and_vjp(&mut ws, &[], &[], &mut [], &mut []), foreign);
    assert_eq!(p.jvp(&mut ws, &[], &[], &mut [], &mut []), foreign);
    assert_eq!(p.forward_dense(&mut ws, &inputs), foreign);
    assert_eq!(p.reverse_dense(&mut ws), foreign);
    assert_eq!(p.value(&ws, v).map(drop), foreign);
    assert_eq!(p.gradient(&ws, v).map(drop), foreign);
    assert_eq!(p.set_seed(&mut ws, v, (&X).into()), foreign);
    // A clone is the same program.
    q.clone().forward(&mut ws, &inputs, &mut outputs).unwrap();
}

/// A program made where a dropped one lived is not mistaken for it: the old
/// workspace may be too small for the new code.
#[test]
fn workspaces_outlive_their_programs() {
    let sum_of = |n: usize| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [n]);
        let graph = g.finish(&[x.exp().softmax(0).sin().sum()]).unwrap();
        Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap()
    };
    // Many of them, so that one of the new ones gets the address of an old one.
    let small: Vec<Program> = (0..64).map(|_| sum_of(2)).collect();
    let mut old: Vec<_> = small.iter().map(Program::workspace).collect();
    drop(small);
    for n in 100..116 {
        let large = sum_of(n);
        let x = vec![0.5; n];
        for ws in &mut old {
            let result = large.forward(ws, &[(&x).into()], &mut [(&mut 0.0).into()]);
            assert_eq!(result, Err(RunError::ForeignWorkspace));
        }
    }
}

#[test]
fn values_without_a_place() {
    let p = program();
    let mut ws = p.workspace();
    p.forward_dense(&mut ws, &[(&X).into(), (&I).into()]).unwrap();
    p.reverse_dense(&mut ws).unwrap();
    let (indices, past) = (ValueId::new(1), ValueId::new(1_000_000));
    assert!(matches!(p.value(&ws, indices), Ok(Elements::I64(v)) if v == I));
    assert_eq!(text(p.gradient(&ws, indices).map(drop)), "value 1 has no gradient in this workspace");
    assert_eq!(text(p.value(&ws, past).map(drop)), "value 1000000 has no value in this workspace");
    assert_eq!(text(p.gradient(&ws, past).map(drop)), "value 1000000 has no gradient in this workspace");
    assert_eq!(text(p.set_seed(&mut ws, past, (&X).into())), "value 1000000 has no seed in this workspace");
    assert_eq!(text(p.set_seed(&mut ws, indices, (&I).into())), "value 1 has no seed in this workspace");
    assert_eq!(
        text(p.set_seed(&mut ws, ValueId::new(0), (&I).into())),
        "seed 0: expected f64[2,3], got a slice of i64"
    );
    assert_eq!(
        text(p.set_seed(&mut ws, ValueId::new(0), X[1..].into())),
        "seed 0: expected 6 elements for f64[2,3], got 5"
    );
}

#[test]
fn compilations_that_make_no_sense() {
    let graph = graph();
    let compile = |options: Options| Program::compile(&graph, &options).map(drop).unwrap_err();
    for (index, form) in [(2, Forms::VJP), (usize::MAX, Forms::JVP), (1 << 32, Forms::FORWARD)] {
        let error = compile(Options::default().forms(form).wrt(&[0, index]));
        assert_eq!(error, CompileError::NoSuchInput { index, inputs: 2 });
        assert_eq!(
            error.to_string(),
            format!("no input {index} to differentiate by: the graph has 2 inputs")
        );
    }
    for form in [Forms::VJP, Forms::JVP, Forms::REVERSE] {
        let error = compile(Options::default().forms(form).wrt(&[1])).to_string();
        assert_eq!(error, "value %1 has type i64[4], which carries no derivative");
    }
    let error = compile(Options::default().forms(Forms::VALUE_AND_GRAD)).to_string();
    assert_eq!(error, "a gradient needs one output, the graph has 2 (give seeds instead)");
    let error = compile(Options::default().forms(vector_forms()).max_workspace(64));
    assert!(matches!(error, CompileError::WorkspaceTooLarge { limit: 64, .. }), "{error}");
    assert!(error.to_string().contains("more than the 64 of Options::max_workspace"), "{error}");

    let g = Builder::new();
    let x = g.input("x", dtype::f64, [3]);
    for output in [x, x.gt(x).reshape([3]), x.sum().cast(dtype::i64)] {
        let graph = g.finish(&[output]).unwrap();
        let error = Program::compile(&graph, &Options::default().forms(Forms::VALUE_AND_GRAD));
        let text = error.map(drop).unwrap_err().to_string();
        assert!(text.contains("a gradient needs one floating-point number (or seeds)"), "{text}");
    }
}

/// Nothing in, nothing out, or neither.
#[test]
fn programs_without_inputs_outputs_or_nodes() {
    let empty = Builder::new().finish(&[]).unwrap();
    for forms in [vector_forms(), Forms::FORWARD, Forms::DENSE] {
        let p = Program::compile(&empty, &Options::default().forms(forms)).unwrap();
        let mut ws = p.workspace();
        for _ in 0..2 {
            if forms.contains(Forms::FORWARD) {
                p.forward(&mut ws, &[], &mut []).unwrap();
            }
            if forms.contains(Forms::DENSE) {
                p.forward_dense(&mut ws, &[]).unwrap();
                p.reverse_dense(&mut ws).unwrap();
            }
        }
    }
    let tape: Tape<'_> = Tape::compile(&empty, vec![]).unwrap();
    assert_eq!(tape.checked_out_id().unwrap_err().to_string(), "compiled graph has no output node");

    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let graph = g.finish(&[x, x]).unwrap();
    let p = Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap();
    let (mut a, mut b, mut dx) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    let seeds: [Arg<'_>; 2] = [(&[1.0, 2.0]).into(), (&[10.0, 20.0]).into()];
    let mut outputs: [ArgMut<'_>; 2] = [(&mut a).into(), (&mut b).into()];
    p.value_and_vjp(
        &mut p.workspace(),
        &[(&[5.0, 6.0]).into()],
        &seeds,
        &mut outputs,
        &mut [(&mut dx).into()],
    )
    .unwrap();
    assert_eq!((a, b, dx), ([5.0, 6.0], [5.0, 6.0], [11.0, 22.0]));
}

/// The same input twice in `wrt`: each tangent counts, each gradient is given.
#[test]
fn an_input_named_twice() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let graph = g.finish(&[x * 3.0]).unwrap();
    let options = Options::default().forms(Forms::VJP | Forms::JVP).wrt(&[0, 0]);
    let p = Program::compile(&graph, &options).unwrap();
    let mut ws = p.workspace();
    let (mut y, mut dy, mut da, mut db) = (0.0, 0.0, 0.0, 0.0);
    let x: [Arg<'_>; 1] = [(&2.0).into()];
    p.value_and_vjp(
        &mut ws,
        &x,
        &[(&1.0).into()],
        &mut [(&mut y).into()],
        &mut [(&mut da).into(), (&mut db).into()],
    )
    .unwrap();
    assert_eq!((da, db), (3.0, 3.0));
    p.jvp(&mut ws, &x, &[(&1.0).into(), (&10.0).into()], &mut [(&mut y).into()], &mut [(&mut dy).into()])
        .unwrap();
    assert_eq!(dy, 33.0);
}

/// Arguments may start anywhere in memory: parts of slices at odd offsets.
#[test]
fn slices_at_any_offset() {
    let n = 37;
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f32, [n]), g.input("b", dtype::f64, [n]));
    let m = g.input("m", dtype::bool, [n]);
    let y = m.select(a.sin(), a * 2.0);
    let graph = g.finish(&[y, b.exp(), m.not(), y.sum()]).unwrap();
    let p = Program::compile(&graph, &Options::default().forms(Forms::FORWARD).unroll(0)).unwrap();
    let mut ws = p.workspace();
    let wide: Vec<f32> = (0..n + 16).map(|i| i as f32 * 0.25).collect();
    let deep: Vec<f64> = (0..n + 16).map(|i| i as f64 * 0.125).collect();
    let flags: Vec<bool> = (0..n + 16).map(|i| i % 3 == 0).collect();
    for at in 0..16 {
        let (mut y, mut e, mut not, mut s) = ([7f32; 64], [7f64; 64], [true; 64], [0f32]);
        let inputs: [Arg<'_>; 3] =
            [wide[at..at + n].into(), deep[at..at + n].into(), flags[at..at + n].into()];
        p.forward(
            &mut ws,
            &inputs,
            &mut [
                ArgMut::F32(&mut y[at..at + n]),
                ArgMut::F64(&mut e[at..at + n]),
                ArgMut::Bool(&mut not[at..at + n]),
                (&mut s).into(),
            ],
        )
        .unwrap();
        for i in 0..64 {
            let inside = (at..at + n).contains(&i);
            if inside {
                let x = wide[i];
                let want = if flags[i] { f64::from(x).sin() as f32 } else { x * 2.0 };
                assert!((y[i] - want).abs() <= 1e-6 && not[i] != flags[i]);
                assert!((e[i] - deep[i].exp()).abs() <= 1e-12 * e[i]);
            } else {
                assert!(y[i] == 7.0 && e[i] == 7.0 && not[i], "written outside at {i}");
            }
        }
    }
}
