//! Tensors of 1e9 elements and more, and shapes whose sizes overflow: an error
//! or a program, within the memory of the machine.

use crate::support::{Case, run, run_tape, vector_forms};
use cotangent::graph::MAX_TENSOR_BYTES;
use cotangent::tape::Tensor;
use cotangent::{
    Arg, Builder, CompileError, Forms, Graph, KeepDims, OptLevel, Options, Program, Tape, Tier, dtype,
};

const BILLION: usize = 1_000_000_000;

fn levels() -> [Options; 2] {
    [OptLevel::Full, OptLevel::None].map(|opt| Options::default().opt(opt).tier(Tier::Fast))
}

/// A number from nothing but 1e9 copies of another.
fn billion(sum: bool) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let wide = x.broadcast_to([BILLION]).sin();
    g.finish(&[if sum { wide.sum() } else { wide }]).unwrap()
}

#[test]
fn a_billion_elements_compile_quickly_or_are_refused() {
    for options in levels() {
        for sum in [true, false] {
            let graph = billion(sum);
            for forms in [Forms::FORWARD, Forms::VJP, Forms::JVP, vector_forms()] {
                let limit = 1 << 30;
                let options = options.clone().forms(forms).max_workspace(limit);
                match Program::compile(&graph, &options) {
                    Ok(p) => assert!(p.workspace().len() <= limit && p.report().workspace_bytes <= limit),
                    Err(CompileError::WorkspaceTooLarge { bytes, limit: l }) => {
                        assert!(bytes > l && l == limit && bytes >= 8 * BILLION, "{bytes}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// More scratch than the machine has: the workspace says so, on the first call.
#[test]
fn a_workspace_that_cannot_be_had() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let vast = MAX_TENSOR_BYTES as usize / 8;
    let graph = g.finish(&[x.broadcast_to([vast]).sin().flip(&[0]).softmax(0).sum()]).unwrap();
    let options = Options::default().opt(OptLevel::None).tier(Tier::Fast).forms(Forms::FORWARD);
    let error = Program::compile(&graph, &options).map(drop).unwrap_err();
    assert!(matches!(error, CompileError::WorkspaceTooLarge { .. }), "{error}");
    let p = Program::compile(&graph, &options.max_workspace(usize::MAX)).unwrap();
    let mut ws = p.workspace();
    let mut y = 0.0;
    let result = p.forward(&mut ws, &[(&1.0).into()], &mut [(&mut y).into()]);
    let text = result.unwrap_err().to_string();
    assert!(text.starts_with("not enough memory for a workspace of "), "{text}");
}

/// The tape asks for memory before it takes it.
#[test]
fn a_tape_that_cannot_be_had() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let vast = MAX_TENSOR_BYTES as usize / 8;
    for y in [
        x.broadcast_to([vast]),
        g.full(dtype::f64, [vast], 1.0),
        x.reshape([1]).pad(&[(vast - 1, 0)], 0.0),
        x.reshape([1, 1]).broadcast_to([1 << 16, 1]).matmul(x.reshape([1, 1]).broadcast_to([1, 1 << 20])),
    ] {
        let graph = g.finish(&[y.sum()]).unwrap();
        let tape: Result<Tape<'_>, _> = Tape::compile(&graph, vec![Tensor::f64((), &[1.0]).unwrap()]);
        let text = tape.map(drop).expect_err("a tebibyte").to_string();
        assert!(text.contains("memory") && text.contains("f64["), "{text}");
    }
}

/// Many vast tensors: their sum does not fit an address either.
#[test]
fn sums_of_sizes_do_not_overflow() {
    let g = Builder::new();
    let vast = MAX_TENSOR_BYTES as usize / 8;
    let inputs: Vec<_> = (0..40).map(|i| g.input(&format!("x{i}"), dtype::f64, [vast])).collect();
    let outputs: Vec<_> = inputs.iter().map(|x| x.sin().softmax(0)).collect();
    let graph = g.finish(&outputs).unwrap();
    for options in levels() {
        for forms in [Forms::FORWARD, Forms::REVERSE, Forms::DENSE] {
            match Program::compile(&graph, &options.clone().forms(forms)) {
                Ok(p) => assert!(p.report().workspace_bytes <= 1 << 36),
                Err(error) => assert!(matches!(error, CompileError::WorkspaceTooLarge { .. }), "{error}"),
            }
        }
    }
}

/// Tensors without elements beside extents of all sizes take no time and no room.
#[test]
fn empty_tensors_of_vast_extents() {
    const VAST: usize = 1 << 37;
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [0, 1 << 30]);
    // A square of 2^60 elements is refused when it is authored.
    let square = x.transpose().matmul(x);
    assert!(square.id().is_none() && g.finish(&[square]).is_err());
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [0, VAST]), g.input("y", dtype::f64, [VAST, 0]));
    let (a, b) = (g.input("a", dtype::f64, [VAST, 0, 3]), g.input("b", dtype::f64, [1, 3, 0]));
    let outputs = [
        x.concat(&[x, x], 0).sum(),
        x.softmax(1).sum_over(&[1], KeepDims::Yes),
        y.concat(&[y.sin(), y], 1).flip(&[0]).transpose(),
        x.matmul(y),
        x.permute(&[1, 0]).reshape([0, 3]),
        a.matmul(b),
    ];
    let graph = g.finish(&outputs).unwrap();
    let case = Case::random(&graph, 1);
    let start = std::time::Instant::now();
    let want = run_tape(&graph, &case).unwrap();
    assert_eq!(want.outputs, [vec![0], vec![], vec![], vec![], vec![], vec![]]);
    for options in levels() {
        let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        assert!(run(&p, &case).unwrap() == want);
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// A uniform constant of 1e9 elements costs nothing while nothing needs its address.
#[test]
fn uniform_constants_cost_nothing() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let y = (g.full(dtype::f64, [BILLION], 2.0).narrow(0, 0, 5) * x).sum();
    let graph = g.finish(&[y]).unwrap();
    for options in levels() {
        let options = options.forms(Forms::VALUE_AND_GRAD).max_workspace(1 << 20);
        match Program::compile(&graph, &options) {
            Ok(p) => {
                let mut dx = 0.0;
                let inputs: [Arg<'_>; 1] = [(&3.0).into()];
                let y = p.value_and_grad(&mut p.workspace(), &inputs, &mut [(&mut dx).into()]).unwrap();
                assert_eq!((y, dx), (30.0, 10.0));
            }
            Err(error) => assert!(matches!(error, CompileError::WorkspaceTooLarge { .. }), "{error}"),
        }
    }
}
