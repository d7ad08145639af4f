//! Attributes that fit a row and its operands, by name and kind.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::Generator;
use crate::fuzzing::numbers::float64;
use crate::fuzzing::windows;
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Attr, AttrKind, Row};

impl Generator<'_> {
    /// Attributes in the order of the row; later ones may hang on earlier ones.
    pub(super) fn attributes(&mut self, row: &'static Row, operands: &[Slot]) -> Option<Vec<Attr>> {
        if windows::ROWS.contains(&row.name) {
            return self.window_attributes(row, operands);
        }
        let ty = self.draft.values[*operands.first()?].ty.clone();
        let mut attrs: Vec<Attr> = Vec::with_capacity(row.attrs.len());
        for spec in row.attrs {
            let attr = match spec.name {
                "axes" => Attr::Ints(self.axes(&ty.shape)),
                "axis" if ty.shape.rank() == 0 => return None,
                "axis" => Attr::Int(self.source.below(ty.shape.rank()) as i64),
                "exponent" => Attr::Int(self.exponent()),
                "shape" if row.attrs.len() > 1 || row.min_operands > 1 || row.name == "random_bits" => {
                    list(self.shape().dims().iter().map(|&d| d as i64))
                }
                "dtype" if row.name != "cast" => Attr::DType(self.float_type()),
                "shape" if row.name == "broadcast_to" => Attr::Ints(self.widened(&ty.shape)),
                "shape" => Attr::Ints(self.regrouped(&ty.shape)),
                "perm" => Attr::Ints(self.permutation(ty.shape.rank())),
                "start" | "stop" | "step" => Attr::Ints(self.range(spec.name, &ty.shape, &attrs)),
                "lo" | "hi" | "interior" => {
                    list(ty.shape.dims().iter().map(|_| self.source.below(6).saturating_sub(3) as i64))
                }
                "sizes" => Attr::Ints(self.sizes(&ty.shape, &attrs)),
                "groups" => {
                    let channels = ty.shape.dims().get(1).copied().unwrap_or(1).max(1);
                    let parts: Vec<i64> =
                        (1..=channels.min(64) as i64).filter(|g| channels as i64 % g == 0).collect();
                    Attr::Int(crate::fuzzing::source::pick(self.source, &parts)?)
                }
                "heads" => {
                    let columns = ty.shape.dims().last().copied().unwrap_or(1).max(1);
                    let parts: Vec<i64> =
                        (1..=columns.min(8) as i64).filter(|h| columns as i64 % h == 0).collect();
                    Attr::Int(crate::fuzzing::source::pick(self.source, &parts)?)
                }
                "reduction" => Attr::Int(self.source.below(3) as i64),
                _ => self.by_kind(spec.kind, &ty)?,
            };
            attrs.push(attr);
        }
        Some(attrs)
    }

    fn by_kind(&mut self, kind: AttrKind, ty: &ValueType) -> Option<Attr> {
        Some(match kind {
            AttrKind::Int => Attr::Int(self.source.below(5) as i64 - 1),
            AttrKind::Float if self.source.chance(1, 3) => Attr::Float(self.notable(ty.dtype)),
            AttrKind::Float => {
                let kind = self.kind();
                Attr::Float(float64(self.source, kind))
            }
            AttrKind::Bool => Attr::Bool(self.source.chance(1, 2)),
            AttrKind::Ints => list(ty.shape.dims().iter().map(|_| self.source.below(3) as i64)),
            AttrKind::DType => Attr::DType(match self.source.below(8) {
                0 => DType::Bool,
                1 => DType::I64,
                2..=4 => DType::F32,
                _ => DType::F64,
            }),
            AttrKind::Data | AttrKind::Custom | AttrKind::Graph => return None,
        })
    }

    fn axes(&mut self, shape: &Shape) -> std::sync::Arc<[i64]> {
        let all = self.source.chance(1, 4);
        (0..shape.rank() as i64).filter(|_| all || self.source.chance(1, 2)).collect()
    }

    fn exponent(&mut self) -> i64 {
        let small = self.source.below(9) as i64 - 3;
        match self.source.below(10) {
            _ if self.profile.exact => small.min(4),
            0 => [17, -31, 100, 1023, i64::from(i32::MAX), i64::from(i32::MIN) + 1][self.source.below(6)],
            _ => small,
        }
    }

    /// A shape that this one broadcasts to.
    fn widened(&mut self, shape: &Shape) -> std::sync::Arc<[i64]> {
        let mut dims: Vec<usize> = (0..self.source.below(3)).map(|_| self.extent()).collect();
        for &d in shape.dims() {
            dims.push(if d == 1 { self.extent() } else { d });
        }
        dims.iter().map(|&d| d as i64).collect()
    }

    /// Another shape of as many elements: axes merged, cut, or of extent 1.
    fn regrouped(&mut self, shape: &Shape) -> std::sync::Arc<[i64]> {
        let mut dims: Vec<i64> = shape.dims().iter().map(|&d| d as i64).collect();
        for _ in 0..1 + self.source.below(2) {
            let at = self.source.below(dims.len() + 1);
            match self.source.below(6) {
                0 => dims.insert(at, 1),
                // As many elements in the shape of a transpose, which it is not.
                4 | 5 if at + 1 < dims.len() => dims.swap(at, at + 1),
                1 if at < dims.len() && dims[at] == 1 => {
                    dims.remove(at);
                }
                1 | 2 if at + 1 < dims.len() => {
                    let d = dims.remove(at);
                    dims[at] = dims[at].saturating_mul(d);
                }
                _ if at < dims.len() => {
                    let divisors: Vec<i64> = (2..=9).filter(|k| dims[at] % k == 0).collect();
                    if let Some(k) = crate::fuzzing::source::pick(self.source, &divisors) {
                        dims[at] /= k;
                        dims.insert(at, k);
                    }
                }
                _ => {}
            }
        }
        dims.into()
    }

    fn permutation(&mut self, rank: usize) -> std::sync::Arc<[i64]> {
        let mut perm: Vec<i64> = (0..rank as i64).collect();
        for i in (1..rank).rev() {
            let j = self.source.below(i + 1);
            perm.swap(i, j);
        }
        perm.into()
    }

    /// One attribute of a slice. Empty ranges are rare.
    fn range(&mut self, name: &str, shape: &Shape, before: &[Attr]) -> std::sync::Arc<[i64]> {
        let empty = self.source.chance(1, 20);
        let starts = match before.first() {
            Some(Attr::Ints(v)) => v.to_vec(),
            _ => vec![0; shape.rank()],
        };
        let mut entry = |axis: usize| {
            let n = shape.dims()[axis];
            let whole = self.source.chance(1, 2);
            match name {
                "start" if whole || n == 0 => 0,
                "start" => self.source.below(if empty { n + 1 } else { n }),
                "stop" if whole || n == 0 => n,
                "stop" => {
                    let start = starts[axis] as usize;
                    let least = if empty { start } else { (start + 1).min(n) };
                    least + self.source.below(n - least + 1)
                }
                _ if whole => 1,
                _ => 1 + self.source.below(4),
            }
        };
        (0..shape.rank()).map(|axis| entry(axis) as i64).collect()
    }

    fn sizes(&mut self, shape: &Shape, before: &[Attr]) -> std::sync::Arc<[i64]> {
        let axis = match before.first() {
            Some(Attr::Int(axis)) => *axis as usize,
            _ => 0,
        };
        let mut rest = shape.dims()[axis];
        let mut sizes = Vec::new();
        for _ in 0..self.source.below(3) {
            let least = usize::from(rest > 1 && !self.source.chance(1, 10));
            let size = least + self.source.below(rest - least + 1) / 2;
            sizes.push(size as i64);
            rest -= size.min(rest);
        }
        sizes.push(rest as i64);
        sizes.into()
    }
}

/// A list attribute.
fn list(entries: impl Iterator<Item = i64>) -> Attr {
    Attr::Ints(entries.collect())
}
