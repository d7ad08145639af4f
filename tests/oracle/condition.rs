//! How large the terms are that a result sums: a sum that cancels is only as
//! accurate as they are, in any order of summation.

use crate::case::{Array, Case, Data, Failure};
use crate::ops::{self, Discrete};
use crate::run;

/// By output, by differentiable input, by output.
pub struct Terms {
    pub outputs: Vec<f64>,
    pub vjp: Vec<f64>,
    pub jvp: Vec<f64>,
}

/// Ops that are sums of products of their inputs: the terms of their values are
/// those of the same op at absolute values.
const MULTILINEAR: &[&str] = &["sum", "mean", "matmul", "batched_matmul", "linear", "dot", "scatter_add"];

/// `1 - tanh^2` costs no exponential and is as accurate as the 1: relative to
/// the cotangent, not to a slope that is nearly 0.
const SLOPE_NEAR_ONE: &[&str] = &["tanh"];

fn largest(v: impl Iterator<Item = f64>) -> f64 {
    v.filter(|x| x.is_finite()).fold(0.0, |m, x| m.max(x.abs()))
}

fn map(array: &Array, f: impl FnMut(&f64) -> f64) -> Array {
    match &array.data {
        Data::F64(v) => Array { shape: array.shape.clone(), data: Data::F64(v.iter().map(f).collect()) },
        _ => array.clone(),
    }
}

fn at_absolute_values(case: &Case) -> Result<Vec<f64>, Failure> {
    let mut case = case.clone();
    for input in &mut case.inputs {
        input.array = map(&input.array, |x| x.abs());
    }
    let graph = ops::graph(&case, Discrete::Input)?.ok_or("no such op")?;
    let answer = run::tape(&case, &graph, Discrete::Input)?;
    Ok(answer.outputs.iter().map(|v| largest(v.iter().copied())).collect())
}

/// The largest sums of absolute terms: `sum_o |c_o J_oi|` and `sum_i |J_oi t_i|`,
/// with the Jacobian a row at a time.
pub fn terms(case: &Case) -> Result<Terms, Failure> {
    let wrt: Vec<usize> = (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
    let outputs = match MULTILINEAR.contains(&case.op.as_str()) {
        true => at_absolute_values(case)?,
        false => vec![0.0; case.cotangent.len()],
    };
    let mut vjp: Vec<Vec<f64>> =
        wrt.iter().map(|&i| vec![0.0; case.inputs[i].array.floats().len()]).collect();
    let mut jvp = vec![0.0f64; case.cotangent.len()];
    for (o, largest) in jvp.iter_mut().enumerate() {
        for r in 0..case.cotangent[o].floats().len() {
            let mut unit = case.clone();
            for (other, c) in unit.cotangent.iter_mut().enumerate() {
                let mut at = 0..;
                *c = map(c, |_| f64::from(u8::from(at.next() == Some(r) && other == o)));
            }
            let graph = ops::graph(&unit, Discrete::Input)?.ok_or("no such op")?;
            let row = run::tape(&unit, &graph, Discrete::Input)?.vjp;
            let seed = case.cotangent[o].floats()[r];
            let mut moved = 0.0;
            for ((sum, row), &i) in vjp.iter_mut().zip(&row).zip(&wrt) {
                let tangent = case.tangent[i].as_ref().map_or(&[][..], |t| t.floats());
                sum.iter_mut().zip(row).for_each(|(s, j)| *s += (seed * j).abs());
                moved += row.iter().zip(tangent).map(|(j, t)| (j * t).abs()).sum::<f64>();
            }
            *largest = largest.max(moved);
        }
    }
    let mut vjp: Vec<f64> = vjp.iter().map(|v| largest(v.iter().copied())).collect();
    if SLOPE_NEAR_ONE.contains(&case.op.as_str()) {
        vjp = case.cotangent.iter().map(|c| largest(c.floats().iter().copied())).collect();
        jvp = case.tangent.iter().flatten().map(|t| largest(t.floats().iter().copied())).collect();
    }
    Ok(Terms { outputs, vjp, jvp })
}
