//! Arguments: typed slices, read and written in place.

use crate::graph::DType;

/// An input, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// Binary64.
    F64(&'a [f64]),
    /// Binary32.
    F32(&'a [f32]),
    /// Indices.
    I64(&'a [i64]),
    /// Masks.
    Bool(&'a [bool]),
}

/// An output, row-major.
#[derive(Debug)]
pub enum ArgMut<'a> {
    /// Binary64.
    F64(&'a mut [f64]),
    /// Binary32.
    F32(&'a mut [f32]),
    /// Indices.
    I64(&'a mut [i64]),
    /// Masks.
    Bool(&'a mut [bool]),
}

impl Arg<'_> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Arg::F64(_) => DType::F64,
            Arg::F32(_) => DType::F32,
            Arg::I64(_) => DType::I64,
            Arg::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Arg::F64(v) => v.len(),
            Arg::F32(v) => v.len(),
            Arg::I64(v) => v.len(),
            Arg::Bool(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(feature = "jit")]
    pub(crate) fn pointer(&self) -> *const u8 {
        match self {
            Arg::F64(v) => v.as_ptr().cast(),
            Arg::F32(v) => v.as_ptr().cast(),
            Arg::I64(v) => v.as_ptr().cast(),
            Arg::Bool(v) => v.as_ptr().cast(),
        }
    }
}

impl ArgMut<'_> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            ArgMut::F64(_) => DType::F64,
            ArgMut::F32(_) => DType::F32,
            ArgMut::I64(_) => DType::I64,
            ArgMut::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ArgMut::F64(v) => v.len(),
            ArgMut::F32(v) => v.len(),
            ArgMut::I64(v) => v.len(),
            ArgMut::Bool(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(feature = "jit")]
    pub(crate) fn pointer(&mut self) -> *mut u8 {
        match self {
            ArgMut::F64(v) => v.as_mut_ptr().cast(),
            ArgMut::F32(v) => v.as_mut_ptr().cast(),
            ArgMut::I64(v) => v.as_mut_ptr().cast(),
            ArgMut::Bool(v) => v.as_mut_ptr().cast(),
        }
    }
}

macro_rules! args_from {
    ($($t:ty => $variant:ident),*) => {
        $(
            impl<'a> From<&'a [$t]> for Arg<'a> {
                fn from(v: &'a [$t]) -> Arg<'a> {
                    Arg::$variant(v)
                }
            }
            impl<'a> From<&'a Vec<$t>> for Arg<'a> {
                fn from(v: &'a Vec<$t>) -> Arg<'a> {
                    Arg::$variant(v)
                }
            }
            impl<'a, const N: usize> From<&'a [$t; N]> for Arg<'a> {
                fn from(v: &'a [$t; N]) -> Arg<'a> {
                    Arg::$variant(v)
                }
            }
            impl<'a> From<&'a $t> for Arg<'a> {
                fn from(v: &'a $t) -> Arg<'a> {
                    Arg::$variant(std::slice::from_ref(v))
                }
            }
            impl<'a> From<&'a mut [$t]> for ArgMut<'a> {
                fn from(v: &'a mut [$t]) -> ArgMut<'a> {
                    ArgMut::$variant(v)
                }
            }
            impl<'a> From<&'a mut Vec<$t>> for ArgMut<'a> {
                fn from(v: &'a mut Vec<$t>) -> ArgMut<'a> {
                    ArgMut::$variant(v)
                }
            }
            impl<'a, const N: usize> From<&'a mut [$t; N]> for ArgMut<'a> {
                fn from(v: &'a mut [$t; N]) -> ArgMut<'a> {
                    ArgMut::$variant(v)
                }
            }
            impl<'a> From<&'a mut $t> for ArgMut<'a> {
                fn from(v: &'a mut $t) -> ArgMut<'a> {
                    ArgMut::$variant(std::slice::from_mut(v))
                }
            }
        )*
    };
}
args_from!(f64 => F64, f32 => F32, i64 => I64, bool => Bool);
