//! Pieces of derivative rules that several families share.

use crate::graph::ValueId;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::row::{Flow, Flows, Site, Tangents};
use smallvec::smallvec;

/// A contribution summed down to the operand's shape.
pub fn to(e: &mut dyn Emitter, site: &Site<'_>, i: usize, v: ValueId) -> Result<Flow, OpError> {
    if e.ty(v).shape == e.ty(site.operands[i]).shape {
        return Ok(Flow::To(v));
    }
    let shape = e.shape(site.operands[i]);
    Ok(Flow::To(e.sum_to(v, &shape)?))
}

/// The cotangent of a single-result node. The sweep only asks reached nodes.
pub fn seed(cotangents: &[Option<ValueId>]) -> Option<ValueId> {
    cotangents.first().copied().flatten()
}

/// The rule of an element-wise op of one operand, from d -> contribution.
pub fn unary_vjp(
    cotangents: &[Option<ValueId>],
    f: impl FnOnce(ValueId) -> Result<ValueId, OpError>,
) -> Result<Flows, OpError> {
    match seed(cotangents) {
        Some(d) => Ok(smallvec![Flow::To(f(d)?)]),
        None => Ok(smallvec![Flow::Zero]),
    }
}

/// The rule of a linear op of one operand, from dx -> dy.
pub fn unary_jvp(
    tangents: &[Option<ValueId>],
    f: impl FnOnce(ValueId) -> Result<ValueId, OpError>,
) -> Result<Tangents, OpError> {
    match seed(tangents) {
        Some(dx) => Ok(smallvec![Some(f(dx)?)]),
        None => Ok(smallvec![None]),
    }
}

/// A sum of tangents of which some are known to be zero.
pub fn add_tangents(e: &mut dyn Emitter, terms: &[Option<ValueId>]) -> Result<Option<ValueId>, OpError> {
    let mut sum = None;
    for &term in terms.iter().flatten() {
        sum = Some(match sum {
            None => term,
            Some(s) => e.add(s, term)?,
        });
    }
    Ok(sum)
}

/// A tangent brought to the shape of the result, which broadcasting enlarged.
pub fn tangent(e: &mut dyn Emitter, site: &Site<'_>, v: Option<ValueId>) -> Result<Tangents, OpError> {
    Ok(smallvec![match v {
        Some(v) if e.ty(v).shape == e.ty(site.results[0]).shape => Some(v),
        Some(v) => {
            let shape = e.shape(site.results[0]);
            Some(e.broadcast_to(v, &shape)?)
        }
        None => None,
    }])
}
