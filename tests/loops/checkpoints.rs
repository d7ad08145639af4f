//! Checkpoints: less memory, the same bits.

use crate::bits;
use cotangent::{Builder, Checkpoints, Forms, Graph, Options, Program, dtype};

/// A cell over some steps whose weights other parts of the graph use too.
fn cell(steps: usize, checkpoints: Option<Checkpoints>) -> Graph {
    let g = Builder::new();
    let (h, c) = (g.input("h", dtype::f64, [3]), g.input("c", dtype::f64, ()));
    let xs = g.input("xs", dtype::f64, [steps, 3]);
    let (w, b) = (g.input("w", dtype::f64, [3, 3]), g.input("b", dtype::f64, ()));
    let (last, all) = match checkpoints {
        None => g.scan(steps, &[h, c], &[xs], |_, c, x| {
            let h = (w.matmul(c[0]) + x[0] * b).tanh();
            (vec![h, c[1] * 0.9 + h.sum() * b], vec![h * c[1], x[0].sum()])
        }),
        Some(checkpoints) => g.scan_checkpointed(steps, checkpoints, &[h, c], &[xs], |_, c, x| {
            let h = (w.matmul(c[0]) + x[0] * b).tanh();
            (vec![h, c[1] * 0.9 + h.sum() * b], vec![h * c[1], x[0].sum()])
        }),
    };
    g.finish(&[last[0] + w.sum(), last[1] * b, all[0], all[1]]).unwrap()
}

#[test]
fn checkpoints_change_no_bit() {
    for steps in [1, 12, 29] {
        let flat = bits(&cell(steps, None), steps as u64);
        // Carries are 32 bytes a step. The last limit leads to more than two levels.
        for checkpoints in [
            Checkpoints::Every(1),
            Checkpoints::Every(5),
            Checkpoints::Within(15 * 32),
            Checkpoints::Within(12 * 32),
        ] {
            let kept = bits(&cell(steps, Some(checkpoints)), steps as u64);
            assert_eq!(kept.outputs, flat.outputs, "{checkpoints:?}");
            assert_eq!(kept.gradients, flat.gradients, "{checkpoints:?}");
            assert_eq!(kept.tangents, flat.tangents, "{checkpoints:?}");
        }
    }
}

/// Two coupled numbers over very many steps.
fn long(steps: usize, checkpoints: Option<Checkpoints>) -> Graph {
    let g = Builder::new();
    let (x, v, k) =
        (g.input("x", dtype::f64, ()), g.input("v", dtype::f64, ()), g.input("k", dtype::f64, ()));
    let init = [x, v];
    let last = match checkpoints {
        None => g.scan(steps, &init, &[], |_, c, _| {
            let v = c[1] - k * c[0] * 1e-3;
            (vec![c[0] + v * 1e-3, v], vec![])
        }),
        Some(checkpoints) => g.scan_checkpointed(steps, checkpoints, &init, &[], |_, c, _| {
            let v = c[1] - k * c[0] * 1e-3;
            (vec![c[0] + v * 1e-3, v], vec![])
        }),
    };
    g.finish(&[last.0[0] * last.0[1]]).unwrap()
}

#[test]
fn a_million_steps_are_reversed_within_a_limit() {
    let gradient = |graph: &Graph| {
        let program = Program::compile(graph, &Options::default().forms(Forms::VALUE_AND_GRAD)).unwrap();
        let mut ws = program.workspace();
        let mut d = [0.0; 3];
        let [x, v, k] = &mut d;
        let (x, v, k) = (std::slice::from_mut(x), std::slice::from_mut(v), std::slice::from_mut(k));
        let point = [[1.0], [0.5], [2.0]];
        let inputs = [(&point[0]).into(), (&point[1]).into(), (&point[2]).into()];
        let value = program.value_and_grad(&mut ws, &inputs, &mut [x.into(), v.into(), k.into()]).unwrap();
        (value.to_bits(), d.map(f64::to_bits), program.report().workspace_bytes)
    };
    const STEPS: usize = 1_000_000;
    // Of the 16 bytes a step the gradient reads half: 8 MB without checkpoints.
    let (value, flat, bytes) = gradient(&long(STEPS, None));
    assert!(bytes > 8 * STEPS);
    for limit in [40_000, 5_000] {
        let (again, d, bytes) = gradient(&long(STEPS, Some(Checkpoints::Within(limit))));
        assert_eq!((again, d), (value, flat));
        assert!(bytes < limit + 4096, "{bytes} bytes for a limit of {limit}");
    }
}
