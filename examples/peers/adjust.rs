//! Bundle adjustment: the two reprojection residuals of each observation with
//! their Jacobian, and the weight term. Definitions: ADBench.

use crate::clock;
use crate::harness::{Failure, Harness, Prepared};
use cotangent::derive::{self, Seeds};
use cotangent::{Builder, Forms, Graph, ValueId, Var, dtype};

/// Numbers of an observation: camera 11, point 3, weight 1.
const PARAMETERS: usize = 15;

pub fn run(h: &mut Harness) -> Result<(), Failure> {
    if !h.has("w3_par") {
        return Ok(());
    }
    if h.wants("w3_reproj") {
        reprojection(h)?;
    }
    if h.wants("w3_zach") {
        weights(h)?;
    }
    Ok(())
}

/// One call per observation; result: residuals (n, 2), Jacobian (n, 2, 15).
fn reprojection(h: &mut Harness) -> Result<(), Failure> {
    let (parameters, features) = (h.f64s("w3_par")?, h.f64s("w3_feat")?);
    let made = h.prepare(Forms::FORWARD, || with_jacobian(&residuals()?))?;
    let mut ws = made.program.workspace();
    let n = features.len() / 2;
    let mut result = vec![0.0; n * (2 + 2 * PARAMETERS)];
    let timing = clock::measure(|| {
        let (errors, jacobian) = result.split_at_mut(2 * n);
        let observations = parameters.chunks_exact(PARAMETERS).zip(features.chunks_exact(2));
        let places = errors.chunks_exact_mut(2).zip(jacobian.chunks_exact_mut(2 * PARAMETERS));
        for ((p, f), (e, j)) in observations.zip(places) {
            let (e0, e1) = e.split_at_mut(1);
            let (j0, j1) = j.split_at_mut(PARAMETERS);
            let outputs = &mut [e0.into(), e1.into(), j0.into(), j1.into()];
            made.program.forward(&mut ws, &[p.into(), f.into()], outputs)?;
        }
        Ok::<_, Failure>(())
    })?;
    h.report("w3_reproj", timing, &result, &made)
}

/// All observations in one call; result: 1 - w^2, then the derivatives.
fn weights(h: &mut Harness) -> Result<(), Failure> {
    let parameters = h.f64s("w3_par")?;
    let w: Vec<f64> = parameters.chunks_exact(PARAMETERS).map(|p| p[PARAMETERS - 1]).collect();
    let n = w.len();
    // Term i depends on weight i alone, so the row sums of the Jacobian are its diagonal.
    let made: Prepared = h.prepare(Forms::FORWARD, || {
        let g = Builder::new();
        let w = g.input("w", dtype::f64, [n]);
        let terms = 1.0 - w.square();
        let graph = g.finish(&[terms.sum()])?;
        let (derived, _) = derive::value_and_grad(&graph, &[ValueId::new(0)], Seeds::One)?;
        Ok(derived.with_outputs(&[id(terms)?, derived.outputs()[1]])?)
    })?;
    let mut ws = made.program.workspace();
    let mut result = vec![0.0; 2 * n];
    let timing = clock::measure(|| {
        let (terms, gradient) = result.split_at_mut(n);
        made.program.forward(&mut ws, &[(&w).into()], &mut [terms.into(), gradient.into()])?;
        Ok::<_, Failure>(())
    })?;
    h.report("w3_zach", timing, &result, &made)
}

fn id(v: Var<'_>) -> Result<ValueId, Failure> {
    Ok(v.id().ok_or("a value after an authoring error")?)
}

/// Both residuals and the gradient of each by the first input. A derived graph
/// begins with all values of the one it comes from, so derivation repeats.
fn with_jacobian(graph: &Graph) -> Result<Graph, Failure> {
    let (x, residuals) = (ValueId::new(0), graph.outputs().to_vec());
    let (mut all, mut rows) = (graph.clone(), Vec::new());
    for &residual in &residuals {
        all = derive::value_and_grad(&all.with_outputs(&[residual])?, &[x], Seeds::One)?.0;
        rows.push(all.outputs()[1]);
    }
    Ok(all.with_outputs(&[residuals, rows].concat())?)
}

/// Rotation of the point into the camera's frame (axis and angle), projection
/// with radial distortion, weighted distance from the feature.
fn residuals() -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype::f64, [PARAMETERS]);
    let feature = g.input("feature", dtype::f64, [2]);
    let three = |from: usize| [from, from + 1, from + 2].map(|i| p.at(i));
    let (rotation, centre, point) = (three(0), three(3), three(11));
    let x: [Var<'_>; 3] = std::array::from_fn(|i| point[i] - centre[i]);
    let angle = (rotation[0].square() + rotation[1].square() + rotation[2].square()).sqrt();
    let (cos, sin, inverse) = (angle.cos(), angle.sin(), angle.recip());
    let w = rotation.map(|r| r * inverse);
    let cross: [Var<'_>; 3] = std::array::from_fn(|i| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        w[j] * x[k] - w[k] * x[j]
    });
    let along = (w[0] * x[0] + w[1] * x[1] + w[2] * x[2]) * (1.0 - cos);
    let turned: [Var<'_>; 3] = std::array::from_fn(|i| x[i] * cos + cross[i] * sin + w[i] * along);
    let (u, v) = (turned[0] / turned[2], turned[1] / turned[2]);
    let r = u.square() + v.square();
    let (focal, kappa, weight) = (p.at(6), [p.at(9), p.at(10)], p.at(14));
    let distortion = 1.0 + kappa[0] * r + kappa[1] * r.square();
    let e0 = weight * (u * distortion * focal + p.at(7) - feature.at(0));
    let e1 = weight * (v * distortion * focal + p.at(8) - feature.at(1));
    Ok(g.finish(&[e0, e1])?)
}
