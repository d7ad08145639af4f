//! Networks, matrix products, training loops.

use super::{Input, TIGHT, along, golden, near};
use crate::support::training::{LINE, LINE_END, LINE_END_LOSS, LINE_RATES, NETWORK};
use cotangent::derive::{self, Seeds};
use cotangent::{Builder, Forms, LossReduction, Options, Program, Var, dtype};
use std::convert::Infallible;

const W1: Input<'static> = (&[3, 2], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
const B1: Input<'static> = (&[3], &[0.1, 0.2, 0.3]);
const W2: Input<'static> = (&[1, 3], &[0.7, 0.8, 0.9]);
const B2: Input<'static> = (&[1], &[0.4]);
const X: Input<'static> = (&[2], &[0.5, 0.8]);

fn network<'b>(v: &[Var<'b>]) -> Var<'b> {
    v[4].linear(v[0], Some(v[1])).relu().linear(v[2], Some(v[3]))
}

/// Case 1.
#[test]
fn network_2_3_1() {
    let a = golden(&[W1, B1, W2, B2, X], network);
    near(&a.value, &[2.08], TIGHT);
    near(&a.gradients[0], &[0.35, 0.56, 0.4, 0.64, 0.45, 0.72], TIGHT);
    near(&a.gradients[1], &[0.7, 0.8, 0.9], TIGHT);
    near(&a.gradients[2], &[0.31, 0.67, 1.03], TIGHT);
    near(&a.gradients[3], &[1.0], TIGHT);
    near(&a.gradients[4], &[0.76, 1.0], TIGHT);
}

/// Case 3: the same network trained towards 1 by gradient descent at rate 0.1.
#[test]
fn descent() {
    let shapes = [W1.0, B1.0, W2.0, B2.0];
    let at = |parameters: &[Vec<f64>]| {
        let mut inputs: Vec<Input<'_>> =
            shapes.into_iter().zip(parameters).map(|(s, p)| (s, p.as_slice())).collect();
        inputs.push(X);
        let a = golden(&inputs, |v| network(v).mse(v[0].builder().constant([1.0]), LossReduction::Mean));
        Ok::<_, Infallible>((a.value[0], a.gradients))
    };
    let (losses, _) = NETWORK
        .run(at, |parameters, gradients| {
            for (p, g) in parameters.iter_mut().flatten().zip(gradients.iter().flatten()) {
                *p -= 0.1 * g;
            }
            Ok(())
        })
        .unwrap();
    near(&losses, NETWORK.losses, TIGHT);
}

/// Case 4: a line fitted by Adam with bias correction and a rate that warms up.
#[test]
fn adam() {
    let at = |p: &[Vec<f64>]| {
        let inputs: [Input<'_>; 2] = [(&[1, 1], &p[0]), (&[1], &p[1])];
        let a = golden(&inputs, |v| {
            let g = v[0].builder();
            let (x, y) =
                (g.constant_of([4, 1], [0.0, 1.0, 2.0, 3.0]), g.constant_of([4, 1], [1.0, 3.0, 5.0, 7.0]));
            x.linear(v[0], Some(v[1])).mse(y, LossReduction::Mean)
        });
        Ok::<_, Infallible>((a.value[0], a.gradients))
    };
    let (mut m, mut v, mut step) = ([0.0; 2], [0.0; 2], 0);
    let (losses, p) = LINE
        .run(at, |p, gradients| {
            let rate = LINE_RATES[step];
            step += 1;
            let (one, two) = (1.0 - 0.9f64.powi(step as i32), 1.0 - 0.999f64.powi(step as i32));
            for i in 0..2 {
                let g = gradients[i][0];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                p[i][0] -= rate * (m[i] / one) / ((v[i] / two).sqrt() + 1e-6);
            }
            Ok(())
        })
        .unwrap();
    near(&losses, LINE.losses, TIGHT);
    near(&p.concat(), &LINE_END, TIGHT);
    let Ok((loss, _)) = at(&p);
    near(&[loss], &[LINE_END_LOSS], TIGHT);
}

/// Case 14.
#[test]
fn product_of_whole_numbers() {
    let (a, b) = ([1.0, 3.0, 5.0, 2.0, 4.0, 6.0], [1.0, 2.0, 4.0, 5.0, 7.0, 8.0]);
    let y = golden(&[(&[2, 3], &a), (&[3, 2], &b)], |v| v[0].matmul(v[1]));
    near(&y.value, &[48.0, 57.0, 60.0, 72.0], 0.0);
    near(&y.gradients[0], &[3.0, 9.0, 15.0, 3.0, 9.0, 15.0], 0.0);
    near(&y.gradients[1], &[3.0, 3.0, 7.0, 7.0, 11.0, 11.0], 0.0);
}

/// Case 15.
#[test]
fn product() {
    let (a, b) = ([0.1, 0.2, 0.3, -0.1, 0.05, 0.15], [0.2, -0.1, 0.0, 0.3, -0.2, 0.1]);
    let y = golden(&[(&[2, 3], &a), (&[3, 2], &b)], |v| v[0].matmul(v[1]));
    near(&y.value, &[-0.04, 0.08, -0.05, 0.04], TIGHT);
    near(&y.gradients[0], &[0.1, 0.3, -0.1, 0.1, 0.3, -0.1], TIGHT);
    near(&y.gradients[1], &[0.0, 0.0, 0.25, 0.25, 0.45, 0.45], TIGHT);
}

/// Case 16.
#[test]
fn batched_product() {
    let a = [0.1, 0.2, 0.3, 0.4, -0.1, 0.05, 0.15, -0.2];
    let b = [0.2, 0.1, -0.1, 0.3, 0.05, -0.2, 0.25, 0.1];
    let y = golden(&[(&[2, 2, 2], &a), (&[2, 2, 2], &b)], |v| v[0].matmul(v[1]));
    near(&y.value, &[0.0, 0.07, 0.02, 0.15, 0.0075, 0.025, -0.0425, -0.05], TIGHT);
    near(&y.gradients[0], &[0.3, 0.2, 0.3, 0.2, -0.15, 0.35, -0.15, 0.35], TIGHT);
    near(&y.gradients[1], &[0.4, 0.4, 0.6, 0.6, 0.05, 0.05, -0.15, -0.15], TIGHT);
}

/// Case 34.
#[test]
fn linear_and_mse() {
    let inputs: [Input<'_>; 4] = [
        (&[2, 3], &[0.1, -0.2, 0.3, -0.05, 0.25, 0.15]),
        (&[2], &[0.01, -0.02]),
        (&[3], &[0.5, -0.4, 0.2]),
        (&[2], &[0.05, -0.1]),
    ];
    let a = golden(&inputs, |v| v[2].linear(v[0], Some(v[1])).mse(v[3], LossReduction::Mean));
    near(&a.value, &[0.0113625], TIGHT);
    near(&a.gradients[0], &[0.075, -0.06, 0.03, -0.0075, 0.006, -0.003], TIGHT);
    near(&a.gradients[1], &[0.15, -0.015], TIGHT);
    near(&a.gradients[2], &[0.01575, -0.03375, 0.04275], TIGHT);
}

/// Case 35 [six digits]: the numbers depend on the prediction alone, so that
/// the weights may be zero.
#[test]
fn quickstart() {
    let inputs: [Input<'_>; 2] = [(&[3, 2], &[0.0; 6]), (&[3], &[0.23, -0.38, -0.29])];
    let moves = [vec![0.1; 6], vec![-0.2; 3]];
    let a = along(&inputs, &moves, &[1.0], |v| {
        let g = v[0].builder();
        let (x, t) = (g.constant([0.5, -1.2]), g.constant([0.7, 0.1, -0.5]));
        x.linear(v[0], Some(v[1])).mse(t, LossReduction::Mean)
    });
    near(&a.value, &[0.165133], 1e-6);
    near(&a.gradients[0], &[-0.156667, 0.376, -0.16, 0.384, 0.07, -0.168], 1e-6);
    near(&a.gradients[1], &[-0.313333, -0.32, 0.14], 1e-6);
    near(&a.tangent, &[0.1332], TIGHT);
}

/// Case 35, second order: forward over reverse, in compiled code.
#[test]
fn quickstart_second_order() -> Result<(), Box<dyn std::error::Error>> {
    let g = Builder::new();
    let (w, b) = (g.input("w", dtype::f64, [3, 2]), g.input("b", dtype::f64, [3]));
    let (x, t) = (g.constant([0.5, -1.2]), g.constant([0.7, 0.1, -0.5]));
    let graph = g.finish(&[x.linear(w, Some(b)).mse(t, LossReduction::Mean)])?;
    let wrt: Vec<_> = graph.input_values().collect();
    let (both, _) = derive::value_and_grad(&graph, &wrt, Seeds::One)?;
    let gradient = both.with_outputs(&both.outputs()[1..])?;
    let program = Program::compile(&gradient, &Options::default().forms(Forms::JVP))?;
    let (mut dw, mut db, mut hw, mut hb) = ([0.0; 6], [0.0; 3], [0.0; 6], [0.0; 3]);
    program.jvp(
        &mut program.workspace(),
        &[(&[0.0; 6]).into(), (&[0.23, -0.38, -0.29]).into()],
        &[(&[0.1; 6]).into(), (&[-0.2; 3]).into()],
        &mut [(&mut dw).into(), (&mut db).into()],
        &mut [(&mut hw).into(), (&mut hb).into()],
    )?;
    near(&hw, &[-0.09, 0.216, -0.09, 0.216, -0.09, 0.216], TIGHT);
    near(&hb, &[-0.18; 3], TIGHT);
    Ok(())
}
