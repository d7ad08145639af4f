//! Bundle adjustment: the two reprojection residuals of each observation with
//! their Jacobian, and the weight term. Definitions: ADBench.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, Var, dtype, value_and_grad, value_and_jacobian};

/// Numbers of an observation: camera 11, point 3, weight 1.
const PARAMETERS: usize = 15;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants_some("w3") || !bench.data.has("w3_par") {
        return Ok(());
    }
    let parameters = bench.data.f64s("w3_par")?;
    if bench.wants("w3_reproj") {
        // One call for all observations; result: residuals (n, 2), Jacobian (n, 2, 15).
        let features = bench.data.f64s("w3_feat")?;
        bench.records::<2, 2>("w3_reproj", [&parameters, &features], || {
            Ok(value_and_jacobian(&residuals()?, &[0])?.into_graph())
        })?;
    }
    if bench.wants("w3_zach") {
        // All observations in one call; result: terms, then derivatives.
        let w: Vec<f64> = parameters.chunks_exact(PARAMETERS).map(|p| p[PARAMETERS - 1]).collect();
        bench.records::<1, 2>("w3_zach", [&w], || weights(w.len()))?;
    }
    Ok(())
}

/// 1 - w^2 and its derivative. Term i depends on weight i alone, so the gradient
/// of the sum holds the derivatives of each.
fn weights(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let w = g.input("w", dtype::f64, [n]);
    let terms = 1.0 - w.square();
    let of_terms = terms.id().ok_or("a value after an authoring error")?;
    let derived = value_and_grad(&g.finish(&[terms.sum()])?, &[0])?.into_graph();
    Ok(derived.with_outputs(&[of_terms, derived.outputs()[1]])?)
}

/// Rotation of the point into the camera's frame (axis and angle), projection
/// with radial distortion, weighted distance from the feature.
pub fn residuals() -> Result<Graph, Failure> {
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
    Ok(g.finish(&[e0.stack(&[e1], 0)])?)
}
