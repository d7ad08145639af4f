//! Indices given at run time and out of range: the call returns an error that
//! names the lowest (node, position), and memory around the arguments is left
//! alone.

use crate::support::{levels, vector_forms};
use cotangent::{Arg, ArgMut, Builder, Graph, Program, RunError, Tape, Var, dtype, tape::Tensor};

const WILD: [i64; 9] = [i64::MIN, i64::MIN + 1, -(1 << 33), -4, -1, 3, 1 << 33, i64::MAX / 8, i64::MAX];

/// x f64[3, 4], rows i64[2], picks i64[2, 4], update f64[2, 4]
fn graph(build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b>) -> Graph {
    let g = Builder::new();
    let v = [
        g.input("x", dtype::f64, [3, 4]),
        g.input("rows", dtype::i64, [2]),
        g.input("picks", dtype::i64, [2, 4]),
        g.input("update", dtype::f64, [2, 4]),
    ];
    g.finish(&[build(&v)]).unwrap()
}

fn every_op() -> [(&'static str, bool, u32, Graph); 4] {
    let line = line!() + 1;
    let a = graph(|v| v[0].index_select(0, v[1]));
    let b = graph(|v| v[0].gather(0, v[2]));
    let c = graph(|v| v[0].index_add(0, v[1], v[3]));
    let d = graph(|v| v[0].scatter_add(0, v[2], v[3]));
    [
        ("index_select", true, line, a),
        ("gather", false, line + 1, b),
        ("index_add", true, line + 2, c),
        ("scatter_add", false, line + 3, d),
    ]
}

const UPDATE: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

#[test]
fn the_error_names_op_node_position_index_and_line() {
    for (op, whole, line, graph) in every_op() {
        let out = graph.ty(graph.outputs()[0]).numel();
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
            let mut ws = p.workspace();
            for (n, &index) in WILD.iter().enumerate() {
                let at = n % if whole { 2 } else { 8 };
                // A second, larger mistake behind the first must not be named.
                let (mut rows, mut picks) = ([0i64, 2], [0i64, 1, 2, 0, 1, 2, 0, 1]);
                if whole {
                    rows[at] = index;
                    rows[1] = if at == 0 { 77 } else { rows[1] };
                } else {
                    picks[at] = index;
                    picks[7] = if at == 7 { picks[7] } else { 77 };
                }
                let x = [1.5; 12];
                let mut y = vec![0.0; out];
                let inputs: [Arg<'_>; 4] = [(&x).into(), (&rows).into(), (&picks).into(), (&UPDATE).into()];
                let error = p.forward(&mut ws, &inputs, &mut [(&mut y).into()]).unwrap_err();
                let RunError::Index { op: named, node, index: found, position, len, location } = &error
                else {
                    panic!("{error}")
                };
                assert_eq!((*named, node.index(), *found), (op, 0, index));
                assert_eq!((*position, *len), (at as u64, 3));
                assert_eq!(location.map(|l| l.line()), Some(line));
                let text = error.to_string();
                let start =
                    format!("node n0: {op}: index {index} at position {at} is out of range for an axis of 3");
                assert!(text.starts_with(&start) && text.contains("indices.rs:"), "{text}");

                // The other forms say the same, and so does the tape.
                let mut dx = [[0.0; 12].to_vec(), UPDATE.to_vec()];
                let seed = vec![1.0; out];
                let [da, db] = &mut dx;
                let mut grads: [ArgMut<'_>; 2] = [da.into(), db.into()];
                let seeds = [(&seed).into()];
                let fused = p.value_and_vjp(&mut ws, &inputs, &seeds, &mut [(&mut y).into()], &mut grads);
                assert_eq!(fused.unwrap_err(), error);
                let t: [Arg<'_>; 2] = [(&x).into(), (&UPDATE).into()];
                let mut dy = vec![0.0; out];
                let moved = p.jvp(&mut ws, &inputs, &t, &mut [(&mut y).into()], &mut [(&mut dy).into()]);
                assert_eq!(moved.unwrap_err(), error);
                assert_eq!(p.forward_dense(&mut ws, &inputs).unwrap_err(), error);
                let tape = tape_error(&graph, &x, &rows, &picks);
                let part = format!("{op}: index {index} at position {at} is out of range for an axis of 3");
                assert!(tape.contains(&part) && tape.contains("indices.rs:"), "{tape}");
            }
            // A call after a failed one is as good as new.
            let mut y = vec![0.0; out];
            let inputs: [Arg<'_>; 4] =
                [(&[1.0; 12]).into(), (&[0i64, 2]).into(), (&[0i64; 8]).into(), (&UPDATE).into()];
            p.forward(&mut ws, &inputs, &mut [(&mut y).into()]).unwrap();
        }
    }
}

/// What the tape says of the same arguments.
fn tape_error(graph: &Graph, x: &[f64], rows: &[i64], picks: &[i64]) -> String {
    let tensors = vec![
        Tensor::f64([3, 4], x).unwrap(),
        Tensor::i64([2], rows).unwrap(),
        Tensor::i64([2, 4], picks).unwrap(),
        Tensor::f64([2, 4], &UPDATE).unwrap(),
    ];
    let tape: Result<Tape<'_>, _> = Tape::compile(graph, tensors);
    tape.map(drop).unwrap_err().to_string()
}

/// An op that is defined by an indexed read has its errors.
#[test]
fn a_row_past_the_end_of_a_table_is_an_error() {
    let graph = graph(|v| v[0].embedding(v[1]));
    let (x, rows, picks) = ([1.5; 12], [0i64, 3], [0i64; 8]);
    for options in levels() {
        let program = Program::compile(&graph, &options).unwrap();
        let inputs: [Arg<'_>; 4] = [(&x).into(), (&rows).into(), (&picks).into(), (&UPDATE).into()];
        let got = program.forward(&mut program.workspace(), &inputs, &mut [(&mut [0.0; 8]).into()]);
        let Err(RunError::Index { op, index, position, len, .. }) = got else { panic!("{got:?}") };
        assert_eq!((op, index, position, len), ("embedding", 3, 1, 3));
    }
    let tape = tape_error(&graph, &x, &rows, &picks);
    assert!(tape.contains("index 3 at position 1 is out of range for an axis of 3"), "{tape}");
}

/// The arguments stand in the middle of larger arrays. A wild index changes
/// nothing around them, and what lies around them never shows in a result.
#[test]
fn memory_around_the_arguments_is_left_alone() {
    const GUARD: usize = 4096;
    const MARK: f64 = 1.234567e300;
    for (op, _, _, graph) in every_op() {
        let out = graph.ty(graph.outputs()[0]).numel();
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
            let mut ws = p.workspace();
            for &index in &WILD {
                let mut x = vec![MARK; 2 * GUARD + 12];
                x[GUARD..GUARD + 12].fill(1.0);
                let mut y = vec![MARK; 2 * GUARD + out];
                let mut dx = vec![MARK; 2 * GUARD + 12];
                let mut du = vec![MARK; 2 * GUARD + 8];
                let (seed, rows, picks) = (vec![1.0; out], [index; 2], [index; 8]);
                let inputs: [Arg<'_>; 4] =
                    [x[GUARD..GUARD + 12].into(), (&rows).into(), (&picks).into(), (&UPDATE).into()];
                p.forward(&mut ws, &inputs, &mut [ArgMut::F64(&mut y[GUARD..GUARD + out])]).unwrap_err();
                p.value_and_vjp(
                    &mut ws,
                    &inputs,
                    &[(&seed).into()],
                    &mut [ArgMut::F64(&mut y[GUARD..GUARD + out])],
                    &mut [ArgMut::F64(&mut dx[GUARD..GUARD + 12]), ArgMut::F64(&mut du[GUARD..GUARD + 8])],
                )
                .unwrap_err();
                p.forward_dense(&mut ws, &inputs).unwrap_err();
                for (name, column, n) in [("y", &y, out), ("dx", &dx, 12), ("du", &du, 8)] {
                    let around = column[..GUARD].iter().chain(&column[GUARD + n..]);
                    assert!(around.copied().all(|v| v == MARK), "{op} {index}: wrote around {name}");
                    let inside = column[GUARD..GUARD + n].iter();
                    assert!(inside.copied().all(|v| v.abs() < 1e6), "{op} {index}: read around, {name}");
                }
            }
        }
    }
}

#[test]
fn the_lowest_node_wins() {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [5]), g.input("i", dtype::i64, [3]));
    let j = g.input("j", dtype::i64, [3]);
    // Recorded first, used last.
    let first = x.exp().index_select(0, i);
    let second = x.index_select(0, j);
    let graph = g.finish(&[second.sin().concat(&[first], 0), second]).unwrap();
    for options in levels() {
        let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        let mut ws = p.workspace();
        let (mut a, mut b) = ([0.0; 6], [0.0; 3]);
        let mut call = |i: [i64; 3], j: [i64; 3]| {
            let inputs: [Arg<'_>; 3] = [(&[1.0; 5]).into(), (&i).into(), (&j).into()];
            match p.forward(&mut ws, &inputs, &mut [(&mut a).into(), (&mut b).into()]) {
                Err(RunError::Index { node, position, index, .. }) => Some((node.index(), position, index)),
                Ok(()) => None,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(call([0, 1, 2], [4, 3, 0]), None);
        assert_eq!(call([0, 1, 5], [-9, -8, -7]), Some((1, 2, 5)));
        assert_eq!(call([0, 1, 2], [0, -8, 9]), Some((2, 1, -8)));
        assert_eq!(call([6, 7, 8], [9, 9, 9]), Some((1, 0, 6)));
    }
}

/// With an axis of nothing every index is out of range, and none is none.
#[test]
fn axes_without_an_entry() {
    for (rows, fails) in [(0, false), (2, true)] {
        let g = Builder::new();
        let (x, i) = (g.input("x", dtype::f64, [0, 4]), g.input("i", dtype::i64, [rows]));
        let graph = g.finish(&[x.index_select(0, i).sum()]).unwrap();
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
            let mut y = f64::NAN;
            let empty: [f64; 0] = [];
            let index = vec![0i64; rows];
            let inputs: [Arg<'_>; 2] = [(&empty).into(), (&index).into()];
            let result = p.forward(&mut p.workspace(), &inputs, &mut [(&mut y).into()]);
            assert_eq!(result.is_err(), fails, "{result:?}");
            assert!(fails || y == 0.0);
        }
    }
}
