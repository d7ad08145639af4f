//! The law of contract C5, over any arithmetic: for values v with tangents t_v
//! (from tangents dx_i of the inputs) and seeds d_v with gradients g_i of the
//! inputs,
//!
//! ```text
//! sum_v <t_v, d_v> = sum_i <dx_i, g_i>
//! ```

use crate::check::source::Source;
use crate::graph::{DType, Graph, GraphErrorKind, ValueType};
use crate::ops::OpError;
use crate::tape::{Data, Exact, GREW, Gradients, Numbers, Scalar, Tape, TapeError, Tensor, bits};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use std::fmt;

/// Numbers past this many bits make a graph be skipped.
pub const MAX_BITS: u64 = 10_000;

/// What became of the law at one point.
#[derive(Clone, Debug, PartialEq)]
pub enum Adjointness {
    /// Both sides are equal.
    Holds,
    /// Numbers grew past [`MAX_BITS`].
    Skipped,
    /// The arithmetic refused something (a division by zero).
    Refused(String),
    /// The law is broken: both sides, rounded.
    Broken(f64, f64),
}

impl fmt::Display for Adjointness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Adjointness::Holds => f.write_str("holds"),
            Adjointness::Skipped => f.write_str("numbers grew past 10,000 bits"),
            Adjointness::Refused(why) => write!(f, "refused: {why}"),
            Adjointness::Broken(a, b) => {
                write!(f, "broken: <jvp, seeds> = {a:e}, <tangents, gradients> = {b:e}")
            }
        }
    }
}

/// A small fraction, 0 now and then.
fn fraction(source: &mut dyn Source) -> BigRational {
    let numerator = source.below(13) as i64 - 6;
    let denominator = [1, 1, 1, 2, 3, 5][source.below(6)];
    BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
}

/// A tensor of small fractions; `integer` gives the elements of indices.
pub fn fractions(
    source: &mut dyn Source,
    ty: &ValueType,
    integer: &mut dyn FnMut(&mut dyn Source) -> i64,
) -> Option<Tensor<Exact>> {
    let n = ty.numel();
    let data = match ty.dtype {
        DType::F64 => Data::F64((0..n).map(|_| fraction(source)).collect()),
        DType::F32 => Data::F32((0..n).map(|_| fraction(source)).collect()),
        DType::I64 => Data::I64((0..n).map(|_| integer(source)).collect()),
        DType::Bool => Data::Bool((0..n).map(|_| source.chance(1, 2)).collect()),
    };
    Tensor::new(ty.shape.clone(), data)
}

/// A direction: small fractions for floats, nothing for the others.
pub fn direction(source: &mut dyn Source, ty: &ValueType) -> Option<Tensor<Exact>> {
    if ty.dtype.is_float() { fractions(source, ty, &mut |_| 0) } else { None }
}

/// The elements of a float tensor over the rationals.
pub fn rationals(tensor: &Tensor<Exact>) -> &[BigRational] {
    tensor.as_f64().or_else(|| tensor.as_f32()).unwrap_or(&[])
}

/// Whether all numbers are of at most `limit` bits.
pub fn fits(tensor: &Tensor<Exact>, limit: u64) -> bool {
    rationals(tensor).iter().all(|x| bits(x) <= limit)
}

fn inner(a: &Tensor<Exact>, b: &Tensor<Exact>) -> BigRational {
    let terms = rationals(a).iter().zip(rationals(b)).filter(|(x, y)| !x.is_zero() && !y.is_zero());
    terms.fold(Zero::zero(), |sum, (x, y)| sum + x * y)
}

/// One side of the law.
pub fn side(a: &[Option<Tensor<Exact>>], b: &[Option<Tensor<Exact>>]) -> BigRational {
    let pairs = a.iter().zip(b).filter_map(|(a, b)| Some(inner(a.as_ref()?, b.as_ref()?)));
    pairs.fold(Zero::zero(), |sum, x| sum + x)
}

/// What both modes give.
pub struct Swept<N: Numbers> {
    /// Tangents of all values.
    pub moved: Gradients<N>,
    /// Gradients of all values.
    pub gradients: Gradients<N>,
}

/// Runs both modes; a tangent or gradient of another type than its value is the
/// fault of a rule.
pub fn sweep<N: Numbers>(
    tape: &Tape<'_, N>,
    tangents: Vec<Option<Tensor<N>>>,
    seeds: Vec<Option<Tensor<N>>>,
) -> Result<Swept<N>, TapeError> {
    let moved = tape.jvp(tangents)?;
    well_typed(tape.graph(), &moved, "JVP")?;
    let gradients = tape.backward_dense_from(seeds)?;
    well_typed(tape.graph(), &gradients, "VJP")?;
    Ok(Swept { moved, gradients })
}

fn well_typed<N: Numbers>(graph: &Graph, found: &Gradients<N>, rule: &'static str) -> Result<(), TapeError> {
    for (v, tensor) in graph.values().zip(found) {
        if let Some(tensor) = tensor
            && tensor.ty() != graph.ty(v)
        {
            let op = match graph.origin(v) {
                crate::graph::Origin::Node(id) if rule == "JVP" => graph.node(id).op.name(),
                _ => {
                    graph.nodes().iter().find(|n| n.operands().contains(&v)).map_or("input", |n| n.op.name())
                }
            };
            let why = format!("gave {} for a value of {}", tensor.ty(), graph.ty(v));
            return Err(OpError::BadRule { op, rule, why }.into());
        }
    }
    Ok(())
}

/// The law at these inputs, with random tangents and a random seed on every value.
pub fn adjoint(graph: &Graph, inputs: Vec<Tensor<Exact>>, source: &mut dyn Source) -> Adjointness {
    match try_adjoint(graph, inputs, source) {
        Ok(found) => found,
        Err(error) if grew(&error) => Adjointness::Skipped,
        Err(error) => Adjointness::Refused(error.to_string()),
    }
}

/// What an op says, where an op is at fault.
pub fn op_error(error: &TapeError) -> Option<&OpError> {
    match error {
        TapeError::Graph(error) => match error.kind() {
            GraphErrorKind::Op(error) => Some(error),
            _ => None,
        },
        _ => None,
    }
}

/// Whether numbers grew past what the arithmetic takes.
pub fn grew(error: &TapeError) -> bool {
    matches!(op_error(error), Some(OpError::Refused { why, .. }) if why == GREW)
}

/// [`adjoint`], with what the tape says where it fails.
pub fn try_adjoint(
    graph: &Graph,
    inputs: Vec<Tensor<Exact>>,
    source: &mut dyn Source,
) -> Result<Adjointness, TapeError> {
    let tape = Tape::<Exact>::compile(graph, inputs)?;
    let tangents: Vec<_> = graph.input_values().map(|v| direction(source, graph.ty(v))).collect();
    let seeds: Vec<_> = graph.values().map(|v| direction(source, graph.ty(v))).collect();
    if graph.values().any(|v| tape.with_value(v, |t| !fits(t, MAX_BITS)).unwrap_or(false)) {
        return Ok(Adjointness::Skipped);
    }
    let swept = sweep(&tape, tangents.clone(), seeds.clone())?;
    if !swept.moved.iter().chain(&swept.gradients).flatten().all(|t| fits(t, MAX_BITS)) {
        return Ok(Adjointness::Skipped);
    }
    let (left, right) = (side(&swept.moved, &seeds), side(&tangents, &swept.gradients));
    if left == right {
        return Ok(Adjointness::Holds);
    }
    Ok(Adjointness::Broken(Scalar::to_f64(&left), Scalar::to_f64(&right)))
}
