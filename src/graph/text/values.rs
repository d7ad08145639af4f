//! Reading numbers, types and the elements of constants.

use super::MAX_AXES;
use super::float::{read_f32, read_f64};
use super::scan::{Result, Scan};
use crate::graph::error::GraphErrorKind;
use crate::graph::types::{DType, Shape, ValueType};
use crate::ops::{Attr, Elements, Literal, OpError};
use std::str::FromStr;
use std::sync::Arc;

/// Rust also reads "+1"; a number of the text has one form.
fn signless<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok().filter(|_| !word.starts_with('+'))
}

pub(super) fn int(scan: &mut Scan<'_>) -> Result<i64> {
    scan.number("a 64-bit integer", signless)
}

pub(super) fn flag(scan: &mut Scan<'_>) -> Result<bool> {
    scan.number("true or false", signless)
}

pub(super) fn float(scan: &mut Scan<'_>) -> Result<f64> {
    scan.number("a finite f64 number, inf, -inf, nan or nan:0x and 16 digits", read_f64)
}

fn float32(scan: &mut Scan<'_>) -> Result<f32> {
    scan.number("a finite f32 number, inf, -inf, nan or nan:0x and 8 digits", read_f32)
}

pub(super) fn dtype(scan: &mut Scan<'_>) -> Result<DType> {
    let what = "a type: f64, f32, i64 or bool";
    let mut start = *scan;
    DType::from_name(scan.word(what)?).ok_or_else(|| start.expected(what))
}

/// An element type and a shape.
pub(super) fn ty(scan: &mut Scan<'_>) -> Result<ValueType> {
    let dtype = dtype(scan)?;
    let at = scan.here();
    let mut axes = 0;
    let dims = scan.list(|scan| {
        axes += 1;
        if axes > MAX_AXES {
            return Err(scan.error(at, format!("expected a shape of at most {MAX_AXES} axes")));
        }
        // An extent also fits the integers of attributes.
        let fits = |d: &usize| i64::try_from(*d).is_ok();
        scan.number("an extent that fits a 64-bit integer", |word| signless(word).filter(fits))
    })?;
    Ok(ValueType { dtype, shape: Shape::new(&dims) })
}

/// The elements of a constant of a known type.
pub(super) fn data(scan: &mut Scan<'_>, ty: &ValueType) -> Result<Attr> {
    let at = scan.here();
    let elements = match ty.dtype {
        DType::F64 => Elements::F64(scan.list(float)?),
        DType::F32 => Elements::F32(scan.list(float32)?),
        DType::I64 => Elements::I64(scan.list(int)?),
        DType::Bool => Elements::Bool(scan.list(flag)?),
    };
    let got = elements.len();
    let message = match Literal::new(&ty.shape, elements) {
        Some(literal) => return Ok(Attr::Data(Arc::new(literal))),
        None if ty.checked_bytes().is_none() => {
            OpError::TooLarge { op: "constant", ty: ty.clone() }.to_string()
        }
        None => GraphErrorKind::ConstantLength { ty: ty.clone(), got }.to_string(),
    };
    Err(scan.error(at, message))
}
