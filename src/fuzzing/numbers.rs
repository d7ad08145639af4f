//! Numbers for inputs, constants, seeds and tangents.

use crate::fuzzing::source::Source;
use crate::graph::{DType, ValueType};
use crate::ops::Elements;
use cotangent_runtime::math;

/// What kind of numbers a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of moderate size, with small integers among them, so that ties happen.
    Normal,
    /// Normal ones mixed with the edges of the format.
    Special,
    /// Any bits.
    Bits,
    /// Zeros of both signs and ones, so that signs of zero meet.
    Zeros,
    /// One number everywhere, one that is absorbed or absorbs. Drawn where compiled code
    /// is compared.
    #[cfg_attr(not(feature = "jit"), allow(dead_code))]
    Same,
    /// Small dyadic fractions: exact also after rounding to f32.
    Dyadic,
}

const EDGES: &[f64] = &[
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    2.225_073_858_507_201e-308,
    f64::MIN_POSITIVE,
    -f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    1e300,
    -1e300,
    1e-300,
    709.8,
    -745.2,
    40.0,
    9_007_199_254_740_993.0,
    1.0 + f64::EPSILON,
    1e22,
    0.5,
];

/// The first of the edges: NaN, infinities, zeros, ones.
const SAME: usize = 7;

const EDGES_F32: &[f32] = &[
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e-45,
    -1e-45,
    1.175_494_2e-38,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    1e30,
    -1e30,
    1e-30,
    88.8,
    -104.0,
    20.0,
    16_777_217.0,
    1.0 + f32::EPSILON,
    1e10,
    0.5,
];

/// The last two are rounded on the way to f64; the last one twice on the way
/// through f64 to f32, to another number than at once.
const INTEGERS: &[i64] = &[i64::MIN, i64::MAX, -1, 1 << 32, (1 << 53) + 1, (1 << 62) + (1 << 38) + 1];

fn unit(source: &mut dyn Source) -> f64 {
    (source.bits() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(source: &mut dyn Source) -> f64 {
    match source.below(8) {
        0 => [-3.0, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0, 3.0][source.below(8)],
        1 => (source.below(9) as f64 - 4.0) / 2.0,
        // Not the platform's function: the same seed draws the same graph on every machine.
        2 => math::exp2(unit(source) * 14.0 - 7.0) * if source.chance(1, 2) { -1.0 } else { 1.0 },
        3 => unit(source),
        _ => unit(source) * 4.0 - 2.0,
    }
}

/// One f64 of a kind.
pub fn float64(source: &mut dyn Source, kind: Kind) -> f64 {
    match kind {
        Kind::Special if source.chance(1, 3) => EDGES[source.below(EDGES.len())],
        Kind::Same => EDGES[source.below(SAME)],
        Kind::Normal | Kind::Special => normal(source),
        Kind::Bits => f64::from_bits(source.bits()),
        Kind::Zeros => [0.0, -0.0, 0.0, -0.0, 1.0, -1.0][source.below(6)],
        Kind::Dyadic => (source.below(13) as f64 - 6.0) / [1.0, 1.0, 2.0, 4.0][source.below(4)],
    }
}

/// One f32 of a kind.
pub fn float32(source: &mut dyn Source, kind: Kind) -> f32 {
    match kind {
        Kind::Special if source.chance(1, 3) => EDGES_F32[source.below(EDGES_F32.len())],
        Kind::Same => EDGES_F32[source.below(SAME)],
        Kind::Bits => f32::from_bits(source.bits() as u32),
        _ => float64(source, kind) as f32,
    }
}

/// One integer: below `bound` where there is one, else near zero, at the edges,
/// or of any size.
pub fn integer(source: &mut dyn Source, bound: Option<usize>) -> i64 {
    match bound {
        Some(bound) => source.below(bound) as i64,
        None if source.chance(1, 10) => INTEGERS[source.below(INTEGERS.len())],
        None if source.chance(1, 10) => source.bits() as i64 >> source.below(64),
        None => source.below(9) as i64 - 4,
    }
}

fn drawn<T: Copy>(n: usize, kind: Kind, mut one: impl FnMut() -> T) -> Vec<T> {
    match kind {
        Kind::Same if n > 0 => vec![one(); n],
        _ => (0..n).map(|_| one()).collect(),
    }
}

/// `n` elements for a type.
pub fn elements(
    source: &mut dyn Source,
    ty: &ValueType,
    n: usize,
    kind: Kind,
    bound: Option<usize>,
) -> Elements {
    match ty.dtype {
        DType::F64 => Elements::F64(drawn(n, kind, || float64(source, kind))),
        DType::F32 => Elements::F32(drawn(n, kind, || float32(source, kind))),
        DType::I64 => Elements::I64(drawn(n, kind, || integer(source, bound))),
        DType::Bool => Elements::Bool(drawn(n, kind, || source.chance(1, 2))),
    }
}
