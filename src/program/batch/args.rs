//! Arguments at many points: slices, and where the elements of each point stand in them.

use crate::graph::ValueType;
use crate::ops::{Arg, ArgMut};
use crate::program::error::{Role, RunError};
use cotangent_runtime::points::Strides;

/// How the elements of points are laid out in a slice.
#[derive(Clone, Copy, Debug)]
enum Layout {
    ByPoint,
    ByElement,
    Shared,
    Strided(Strides),
}

/// An input at many points, row-major within each.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    data: Arg<'a>,
    layout: Layout,
}

/// An output at many points, row-major within each.
#[derive(Debug)]
pub struct PointsMut<'a> {
    data: ArgMut<'a>,
    layout: Layout,
}

impl<'a> Points<'a> {
    /// An array of structs: all elements of the first point, then of the second, and so on.
    pub fn by_point(data: impl Into<Arg<'a>>) -> Points<'a> {
        Points { data: data.into(), layout: Layout::ByPoint }
    }

    /// A struct of arrays: the first element of all points, then the second, and so on.
    pub fn by_element(data: impl Into<Arg<'a>>) -> Points<'a> {
        Points { data: data.into(), layout: Layout::ByElement }
    }

    /// The same elements for every point.
    pub fn shared(data: impl Into<Arg<'a>>) -> Points<'a> {
        Points { data: data.into(), layout: Layout::Shared }
    }

    /// Element `e` of point `p` at `p * point + e * element`. Either may be 0, and the slice may
    /// be longer.
    pub fn strided(data: impl Into<Arg<'a>>, point: usize, element: usize) -> Points<'a> {
        Points { data: data.into(), layout: Layout::Strided(Strides { point, element }) }
    }
}

impl<'a> PointsMut<'a> {
    /// An array of structs, as [`Points::by_point`].
    pub fn by_point(data: impl Into<ArgMut<'a>>) -> PointsMut<'a> {
        PointsMut { data: data.into(), layout: Layout::ByPoint }
    }

    /// A struct of arrays, as [`Points::by_element`].
    pub fn by_element(data: impl Into<ArgMut<'a>>) -> PointsMut<'a> {
        PointsMut { data: data.into(), layout: Layout::ByElement }
    }

    /// Element `e` of point `p` at `p * point + e * element`, no two in one place. What lies
    /// between is left alone, and the slice may be longer.
    pub fn strided(data: impl Into<ArgMut<'a>>, point: usize, element: usize) -> PointsMut<'a> {
        PointsMut { data: data.into(), layout: Layout::Strided(Strides { point, element }) }
    }
}

/// An argument that was checked.
#[derive(Clone, Copy)]
pub struct Bound<P> {
    /// The first element of the first point.
    pub at: P,
    pub strides: Strides,
}

impl Layout {
    /// Strides for this many points of `m` elements, and the length that a slice must have, at
    /// least or exactly; `None` past the address space.
    fn resolve(self, n: usize, m: usize) -> Option<(Strides, usize, bool)> {
        let all = n.checked_mul(m)?;
        Some(match self {
            Layout::ByPoint => (Strides { point: m, element: 1 }, all, true),
            Layout::ByElement => (Strides { point: 1, element: n }, all, true),
            Layout::Shared => (Strides { point: 0, element: 1 }, m, true),
            Layout::Strided(strides) if all == 0 => (strides, 0, false),
            Layout::Strided(strides) => {
                let last = (n - 1).checked_mul(strides.point)?;
                let last = last.checked_add((m - 1).checked_mul(strides.element)?)?;
                (strides, last.checked_add(1)?, false)
            }
        })
    }
}

/// Whether each of `n` points of `m` elements, in range, has places of its own.
fn apart(strides: Strides, n: usize, m: usize) -> bool {
    let Strides { point, element } = strides;
    match (n, m) {
        (0, _) | (_, 0) | (1, 1) => true,
        (1, _) => element > 0,
        (_, 1) => point > 0,
        // One of them steps over all that the other reaches.
        _ => {
            let over = |long: usize, short: usize, count: usize| short > 0 && long > (count - 1) * short;
            over(point, element, m) || over(element, point, n)
        }
    }
}

/// Checks arguments and says where they are.
macro_rules! bind {
    ($name:ident, $data:ty, $pointer:ty, $written:expr) => {
        pub fn $name(
            role: Role,
            types: &[ValueType],
            given: $data,
            points: usize,
            bound: &mut [Bound<$pointer>],
        ) -> Result<(), RunError> {
            if given.len() != types.len() {
                return Err(RunError::Count { role, expected: types.len(), got: given.len() });
            }
            for (index, ((arg, ty), bound)) in given.into_iter().zip(types).zip(bound).enumerate() {
                let got = arg.data.len();
                if arg.data.dtype() != ty.dtype {
                    let (expected, got) = (ty.clone(), arg.data.dtype());
                    return Err(RunError::Type { role, index, expected, got });
                }
                let resolved = arg.layout.resolve(points, ty.numel());
                let (strides, needed, exact) =
                    resolved.unwrap_or((Strides { point: 0, element: 0 }, usize::MAX, false));
                if got < needed || exact && got != needed {
                    let of = ty.clone();
                    return Err(RunError::PointsLength { role, index, of, points, needed, exact, got });
                }
                if $written && !apart(strides, points, ty.numel()) {
                    let Strides { point, element } = strides;
                    return Err(RunError::PointsOverlap { role, index, of: ty.clone(), point, element });
                }
                *bound = Bound { at: arg.data.pointer(), strides };
            }
            Ok(())
        }
    };
}
bind!(read, &[Points<'_>], *const u8, false);
bind!(write, &mut [PointsMut<'_>], *mut u8, true);
