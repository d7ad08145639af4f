//! Bits against bits: NaNs as a class, signed zeros and subnormals exactly.

use crate::fuzzing::digest::Digest;
use crate::graph::{DType, ValueType};
use crate::ops::{Elements, Literal};
use crate::program::{Arg, ArgMut};
use crate::tape::{Data, Native, Tensor};
use std::fmt;

/// Written before every call, so that an element left alone is seen.
const UNTOUCHED: f64 = 123.456;

/// One element that differs.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its position, row-major.
    pub at: usize,
    /// The tape's bits.
    pub tape: u64,
    /// The compiled code's bits.
    pub code: u64,
    /// Their type.
    pub ty: ValueType,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bits: u64| match self.ty.dtype {
            DType::F64 => format!("{:?}", f64::from_bits(bits)),
            DType::F32 => format!("{:?}", f32::from_bits(bits as u32)),
            _ => format!("{}", bits as i64),
        };
        let (tape, code) = (self.tape, self.code);
        write!(f, "element {} of {}: tape {tape:#x} ({}), ", self.at, self.ty, shown(tape))?;
        write!(f, "code {code:#x} ({})", shown(code))
    }
}

fn same(dtype: DType, a: u64, b: u64) -> bool {
    a == b
        || match dtype {
            DType::F64 => f64::from_bits(a).is_nan() && f64::from_bits(b).is_nan(),
            DType::F32 => f32::from_bits(a as u32).is_nan() && f32::from_bits(b as u32).is_nan(),
            _ => false,
        }
}

/// The bits of an element.
pub fn bits(data: &Data<Native>, i: usize) -> u64 {
    match data {
        Data::F64(v) => v[i].to_bits(),
        Data::F32(v) => u64::from(v[i].to_bits()),
        Data::I64(v) => v[i] as u64,
        Data::Bool(v) => u64::from(v[i]),
    }
}

/// Counts what was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Elements.
    pub elements: u64,
    /// Elements that are NaN on the tape, which say little.
    pub nan: u64,
    /// Of all of them, as the tape has them.
    pub digest: Digest,
}

/// The first element that differs; `code` gives the bits of the compiled code.
pub fn first_difference(
    tape: &Tensor<Native>,
    code: impl Fn(usize) -> Option<u64>,
    compared: &mut Compared,
) -> Option<Element> {
    let ty = tape.ty();
    for at in 0..ty.numel() {
        let expected = bits(tape.data(), at);
        let got = code(at);
        compared.elements += 1;
        let nan = match ty.dtype {
            DType::F64 => f64::from_bits(expected).is_nan(),
            DType::F32 => f32::from_bits(expected as u32).is_nan(),
            _ => false,
        };
        compared.nan += u64::from(nan);
        if nan {
            compared.digest.number(f64::NAN);
        } else {
            compared.digest.bits(expected);
        }
        if !got.is_some_and(|got| same(ty.dtype, expected, got)) {
            let code = got.unwrap_or(u64::MAX);
            return Some(Element { at, tape: expected, code, ty: ty.clone() });
        }
    }
    None
}

/// Memory of one argument; `lead` elements before it shift it off the
/// alignment that allocators give.
#[derive(Clone, Debug)]
pub struct Buffer {
    elements: Elements,
    lead: usize,
}

impl Buffer {
    /// The elements of a tensor.
    pub fn of(tensor: &Tensor<Native>, lead: usize) -> Buffer {
        fn shifted<T: Copy + Default>(v: &[T], lead: usize) -> Vec<T> {
            std::iter::repeat_n(T::default(), lead).chain(v.iter().copied()).collect()
        }
        let elements = match tensor.data() {
            Data::F64(v) => Elements::F64(shifted(v, lead)),
            Data::F32(v) => Elements::F32(shifted(v, lead)),
            Data::I64(v) => Elements::I64(shifted(v, lead)),
            Data::Bool(v) => Elements::Bool(shifted(v, lead)),
        };
        Buffer { elements, lead }
    }

    /// Room for a tensor of this type.
    pub fn room(ty: &ValueType, lead: usize) -> Buffer {
        let n = ty.numel() + lead;
        let elements = match ty.dtype {
            DType::F64 => Elements::F64(vec![UNTOUCHED; n]),
            DType::F32 => Elements::F32(vec![UNTOUCHED as f32; n]),
            DType::I64 => Elements::I64(vec![UNTOUCHED as i64; n]),
            DType::Bool => Elements::Bool(vec![false; n]),
        };
        Buffer { elements, lead }
    }

    /// To be read.
    pub fn arg(&self) -> Arg<'_> {
        match &self.elements {
            Elements::F64(v) => Arg::F64(&v[self.lead..]),
            Elements::F32(v) => Arg::F32(&v[self.lead..]),
            Elements::I64(v) => Arg::I64(&v[self.lead..]),
            Elements::Bool(v) => Arg::Bool(&v[self.lead..]),
        }
    }

    /// To be written.
    pub fn arg_mut(&mut self) -> ArgMut<'_> {
        match &mut self.elements {
            Elements::F64(v) => ArgMut::F64(&mut v[self.lead..]),
            Elements::F32(v) => ArgMut::F32(&mut v[self.lead..]),
            Elements::I64(v) => ArgMut::I64(&mut v[self.lead..]),
            Elements::Bool(v) => ArgMut::Bool(&mut v[self.lead..]),
        }
    }

    /// The bits of an element.
    pub fn bits(&self, i: usize) -> Option<u64> {
        self.elements.bits(self.lead + i)
    }
}

/// The tensor with these elements.
pub fn tensor(ty: &ValueType, elements: Elements) -> Option<Tensor<Native>> {
    Tensor::from_literal(&Literal::new(ty.shape.clone(), elements)?).ok()
}
