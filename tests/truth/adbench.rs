//! Two problems of ADBench, with the objectives and gradients it publishes.

use crate::{Failure, data};
use cotangent::tape::{Tape, Tensor};
use cotangent::{Arg, ArgMut, Builder, Forms, Graph, KeepDims, Options, Program, ValueId, Var, dtype};
use serde_json::Value;
use std::f64::consts::PI;
use std::fs;

const ALLOWED: f64 = 1e-8;

fn expected(problem: &str, part: &str, name: &str) -> Result<Vec<f64>, Failure> {
    let all: Value = serde_json::from_str(&fs::read_to_string(data("adbench/expected.json"))?)?;
    let found = &all[problem][part][name];
    let list = found.as_array().cloned().unwrap_or_else(|| vec![found.clone()]);
    list.iter()
        .map(|v| v.as_f64().ok_or_else(|| format!("no numbers {problem} {part} {name}").into()))
        .collect()
}

/// The words of a file, read in order.
struct Words(std::vec::IntoIter<String>);

impl Words {
    fn open(name: &str) -> Result<Words, Failure> {
        let text = fs::read_to_string(data(name))?;
        Ok(Words(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()))
    }

    fn count(&mut self) -> Result<usize, Failure> {
        Ok(self.0.next().ok_or("a short file")?.parse()?)
    }

    fn numbers(&mut self, n: usize) -> Result<Vec<f64>, Failure> {
        let words: Vec<String> = self.0.by_ref().take(n).collect();
        if words.len() != n {
            return Err("a short file".into());
        }
        words.iter().map(|w| Ok(w.parse()?)).collect()
    }
}

fn close(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}: how many");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= ALLOWED * w.abs().max(1.0), "{what} {i}: got {g}, expected {w}");
    }
}

/// `outputs` and the rows of the Jacobian, one list per input, by the tape; the
/// compiled program must give the same bits.
fn jacobian(graph: &Graph, inputs: &[Vec<f64>]) -> Result<(Vec<f64>, Vec<Vec<Vec<f64>>>), Failure> {
    let ids: Vec<ValueId> = graph.input_values().collect();
    let tensor = |(v, x): (&ValueId, &Vec<f64>)| Tensor::f64(graph.shape(*v), x).ok_or("a tensor");
    let tensors = ids.iter().zip(inputs).map(tensor).collect::<Result<Vec<_>, _>>()?;
    let tape: Tape<'_> = Tape::compile(graph, tensors)?;
    let program = Program::compile(graph, &Options::default().forms(Forms::VJP))?;
    let mut ws = program.workspace();
    let out = graph.outputs()[0];
    let (shape, n) = (graph.shape(out), graph.shape(out).numel());
    let value = tape.outputs()[0].to_f64();
    let mut rows = Vec::new();
    for r in 0..n {
        let mut seed = vec![0.0; n];
        seed[r] = 1.0;
        let pulled = tape.vjp(vec![Tensor::f64(shape, &seed).ok_or("a seed")?], &ids)?;
        let row: Vec<Vec<f64>> = pulled.iter().map(|(t, _)| t.to_f64()).collect();
        let (mut again, mut compiled) =
            (vec![0.0; n], row.iter().map(|g| vec![0.0; g.len()]).collect::<Vec<_>>());
        let args: Vec<Arg<'_>> = inputs.iter().map(|v| v.into()).collect();
        let mut grads: Vec<ArgMut<'_>> = compiled.iter_mut().map(|v| v.into()).collect();
        program.value_and_vjp(&mut ws, &args, &[(&seed).into()], &mut [(&mut again).into()], &mut grads)?;
        assert!(again == value && compiled == row, "compiled code differs from the tape");
        rows.push(row);
    }
    Ok((value, rows))
}

/// Logarithm of the gamma function at whole and half numbers.
fn log_gamma(mut a: f64) -> f64 {
    let mut sum = 0.0;
    while a > 1.0 {
        a -= 1.0;
        sum += a.ln();
    }
    if a == 0.5 { sum + 0.5 * PI.ln() } else { sum }
}

/// Entry `i` of the last axis, which stays.
fn part(v: Var<'_>, i: usize) -> Var<'_> {
    v.narrow(-1, i, i + 1)
}

/// A vector of three, turned round by some places.
fn rolled(v: Var<'_>, by: usize) -> Var<'_> {
    v.narrow(0, by, 3).concat(&[v.narrow(0, 0, by)], 0)
}

/// Log-likelihood of a Gaussian mixture with a Wishart prior: `icf` holds, per
/// component, the logarithms of the diagonal of a triangular factor and then
/// its lower part, column by column.
#[test]
fn gaussian_mixture() -> Result<(), Failure> {
    let mut file = Words::open("adbench/gmm_test.txt")?;
    let (d, k, n) = (file.count()?, file.count()?, file.count()?);
    let lower = d * (d - 1) / 2;
    let (alphas, means, icf) = (file.numbers(k)?, file.numbers(k * d)?, file.numbers(k * (d + lower))?);
    let x = file.numbers(n * d)?;
    let (gamma, m) = (file.numbers(1)?[0], file.numbers(1)?[0]);

    let g = Builder::new();
    let (a, mu) = (g.input("alphas", dtype::f64, [k]), g.input("means", dtype::f64, [k, d]));
    let f = g.input("icf", dtype::f64, [k, d + lower]);
    let x = g.constant_of([n, 1, d], x);
    let (log_diagonal, low) = (f.narrow(1, 0, d), f.narrow(1, d, d + lower));
    let (diagonal, log_det) = (log_diagonal.exp(), log_diagonal.sum_over(&[1], KeepDims::No));
    let centred = x - mu;
    // Row i of L z: the diagonal and the entries of the columns before it.
    let entry = |row: usize, column: usize| column * (2 * d - column - 1) / 2 + row - column - 1;
    let mut squares: Option<Var<'_>> = None;
    for row in 0..d {
        let mut z = part(diagonal, row) * part(centred, row).reshape([n, k, 1]);
        for column in 0..row {
            z = z + part(low, entry(row, column)) * part(centred, column);
        }
        squares = Some(squares.map_or(z.square(), |s| s + z.square()));
    }
    let squares = squares.ok_or("no dimension")?.reshape([n, k]);
    let terms = a + log_det - 0.5 * squares;
    let fit = terms.logsumexp(&[1], KeepDims::No).sum() - n as f64 * a.logsumexp(&[0], KeepDims::No);
    let frobenius = diagonal.square().sum() + low.square().sum();
    let prior = 0.5 * gamma * gamma * frobenius - m * log_det.sum();

    let freedom = d as f64 + m + 1.0;
    let log_gamma_d = 0.25 * (d * (d - 1)) as f64 * PI.ln()
        + (0..d).map(|j| log_gamma(0.5 * (freedom - j as f64))).sum::<f64>();
    let normal = freedom * d as f64 * (gamma.ln() - 0.5 * 2f64.ln()) - log_gamma_d;
    let constant = -0.5 * (n * d) as f64 * (2.0 * PI).ln() - k as f64 * normal;
    let graph = g.finish(&[fit + prior + constant])?;

    let (value, rows) = jacobian(&graph, &[alphas, means, icf])?;
    close("objective", &value, &expected("gmm", "objective_calculation_correctness", "expected_scalar")?);
    let gradient: Vec<f64> = rows[0].concat();
    close("gradient", &gradient, &expected("gmm", "jacobian_calculation_correctness", "expected_gradient")?);
    Ok(())
}

/// The reprojection errors of one observation: a camera (rotation vector,
/// centre, focal length, principal point, two radial distortions), a point and
/// a weight.
#[test]
fn bundle_adjustment() -> Result<(), Failure> {
    let mut file = Words::open("adbench/ba_test.txt")?;
    let (cameras, points, observations) = (file.count()?, file.count()?, file.count()?);
    let (camera, point, weight) = (file.numbers(11)?, file.numbers(3)?, file.numbers(1)?);
    let feature = file.numbers(2)?;
    assert!(cameras > 0 && points > 0, "a problem of {cameras} cameras and {points} points");

    let g = Builder::new();
    let (c, x) = (g.input("camera", dtype::f64, [11]), g.input("point", dtype::f64, [3]));
    let w = g.input("weight", dtype::f64, ());
    let feature = g.constant(feature);
    let (turn, centre) = (c.narrow(0, 0, 3), c.narrow(0, 3, 6));
    let (focal, origin, kappa) = (c.at(6), c.narrow(0, 7, 9), c.narrow(0, 9, 11));
    // Rodrigues: v cos t + (axis x v) sin t + axis (axis . v) (1 - cos t)
    let v = x - centre;
    let angle = turn.square().sum().sqrt();
    let axis = turn / angle;
    let cross = rolled(axis, 1) * rolled(v, 2) - rolled(axis, 2) * rolled(v, 1);
    let turned = v * angle.cos() + cross * angle.sin() + axis * axis.dot(v) * (1.0 - angle.cos());
    let flat = turned.narrow(0, 0, 2) / turned.at(2);
    let radius = flat.square().sum();
    let bent = 1.0 + kappa.at(0) * radius + kappa.at(1) * radius.square();
    let graph = g.finish(&[(flat * bent * focal + origin - feature) * w])?;

    let (error, rows) = jacobian(&graph, &[camera, point, weight.clone()])?;
    let times = |v: &[f64]| vec![v; observations].concat();
    let part = "objective_calculation_correctness";
    close("reprojection", &times(&error), &expected("ba", part, "expected_reproj_err")?);

    let g = Builder::new();
    let w = g.input("weight", dtype::f64, ());
    let graph = g.finish(&[1.0 - w.square()])?;
    let (error, slope) = jacobian(&graph, &[weight])?;
    close("weight", &times(&error), &expected("ba", part, "expected_weight_err")?);

    // Sparse rows: those of the observations, then those of the weights.
    let mut values: Vec<f64> = times(&[rows[0].concat(), rows[1].concat()].concat());
    values.extend(times(&slope[0].concat()));
    close("Jacobian", &values, &expected("ba", "jacobian_calculation_correctness", "expected_J_values")?);
    Ok(())
}
