//! The law in f64: both sides agree up to rounding.

use crate::check::law::{Swept, sweep};
use crate::check::point::as_given;
use crate::tape::{Native, Rounded, Roundings, Scalar, Tape, Tensor};

/// Both sides of the law in f64 may differ by this part of what the vectors'
/// lengths allow: a few hundred roundings of 1e-16, and a thousandfold for
/// operations that are ill-conditioned at the point. A wrong rule is further off.
pub const BOUND: f64 = 1e-10;
/// The same for whole graphs, through which roundings grow.
pub const GRAPH_BOUND: f64 = 1e-8;
/// The thousandfold: the size of roundings knows how an operation is conditioned.
const CONDITION: f64 = 1e3;

/// What became of the law.
pub enum Law {
    /// It holds; how far the two sides are apart, as part of what they may be.
    Holds(f64),
    /// A tangent or a gradient is not finite.
    NotFinite,
    /// It is broken: both sides.
    Broken { jvp: f64, vjp: f64 },
}

/// One side, and the product of the lengths of its vectors.
fn side(a: &[Option<Tensor>], b: &[Option<Tensor>]) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, [0.0, 0.0]);
    for (a, b) in a.iter().zip(b) {
        let (Some(a), Some(b)) = (a, b) else { continue };
        for (a, b) in a.to_f64().into_iter().zip(b.to_f64()) {
            sum += a * b;
            squares[0] += a * a;
            squares[1] += b * b;
        }
    }
    (sum, (squares[0] * squares[1]).sqrt())
}

/// The law within `bound` of what the lengths of the vectors allow. Where terms
/// cancel, as in the tangent of `x / x`, lengths are those of what roundings leave;
/// there the two sides may differ by a few hundred roundings of the size that a
/// running error bound gives, which is that of the terms: what a wrong term
/// leaves is of that size itself.
pub fn law(
    tape: &Tape<'_>,
    tangents: &[Option<Tensor>],
    seeds: &[Option<Tensor>],
    swept: &Swept<Native>,
    bound: f64,
) -> Law {
    let (jvp, left) = side(&swept.moved, seeds);
    let (vjp, right) = side(tangents, &swept.gradients);
    let (apart, size) = ((jvp - vjp).abs(), left.max(right));
    let part = |size: f64| if apart == 0.0 { 0.0 } else { apart / size };
    if !part(size).is_finite() || !size.is_finite() {
        return Law::NotFinite;
    }
    if part(size) <= bound {
        return Law::Holds(part(size));
    }
    match roundings(tape, tangents, seeds) {
        Some(size) if size.is_finite() && apart <= bound / CONDITION * size => Law::Holds(part(size)),
        _ => Law::Broken { jvp, vjp },
    }
}

/// The size of the roundings in the two sides, the larger one.
fn roundings(tape: &Tape<'_>, tangents: &[Option<Tensor>], seeds: &[Option<Tensor>]) -> Option<f64> {
    let graph = tape.graph();
    let inputs: Option<Vec<_>> = graph.input_values().map(|v| as_given(&tape.value(v)?)).collect();
    let tape = Tape::<Roundings>::compile(graph, inputs?).ok()?;
    let given = |tensors: &[Option<Tensor>]| tensors.iter().map(|t| as_given(t.as_ref()?)).collect();
    let swept = sweep(&tape, given(tangents), given(seeds)).ok()?;
    Some(size(&swept.moved, seeds).max(size(&swept.gradients, tangents)))
}

/// The size of the roundings in a sum of products, whose second factors are given.
fn size(a: &[Option<Tensor<Roundings>>], b: &[Option<Tensor>]) -> f64 {
    let pairs = a.iter().zip(b).filter_map(|(a, b)| Some((a.as_ref()?.as_f64()?, b.as_ref()?.to_f64())));
    pairs
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| Rounded::mul(a, &Rounded::given(b)).size).sum::<f64>())
        .sum()
}
