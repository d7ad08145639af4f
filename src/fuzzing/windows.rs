//! Operands and attributes of rows whose windows slide over the last axes.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::{Generator, op};
use crate::fuzzing::source::pick;
use crate::graph::{Shape, ValueType};
use crate::ops::{Attr, Op, Row};

/// Rows with windows.
pub(super) const ROWS: &[&str] =
    &["unfold", "fold", "conv", "conv_transpose", "max_pool", "avg_pool", "smooth_max_pool"];

/// Graphs of tensors below this many elements are run.
const SMALL: usize = 1 << 12;

impl Generator<'_> {
    /// An op with windows: attributes hang on all operands.
    pub(super) fn windowed(&mut self, row: &'static Row) -> Option<(Op, Vec<Slot>)> {
        let operands = match row.name {
            "conv" | "conv_transpose" => self.filtered(row)?,
            "unfold" => vec![self.pick(|t| t.shape.rank() > 0)?],
            _ => vec![self.pick(|t| t.dtype.is_float() && (2..6).contains(&t.shape.rank()))?],
        };
        let attrs = self.window_attributes(row, &operands)?;
        Some((op(row, attrs)?, operands))
    }

    /// An input, a kernel that fits it, and perhaps a bias.
    fn filtered(&mut self, row: &'static Row) -> Option<Vec<Slot>> {
        let x = self.pick(|t| t.dtype.is_float() && (2..6).contains(&t.shape.rank()))?;
        let ty = self.ty(x).clone();
        let dims = ty.shape.dims();
        // Without a batch axis, where there may be one.
        let lead = if dims.len() == 2 || dims.len() < 5 && self.source.chance(1, 3) { 1 } else { 2 };
        let (channels, spatial) = (dims[lead - 1], &dims[lead..]);
        let transposed = row.name == "conv_transpose";
        let fits = |t: &ValueType| {
            let d = t.shape.dims();
            let by = if transposed { d.first().copied() } else { d.get(1).copied() };
            t.dtype == ty.dtype && d.len() == spatial.len() + 2 && by == Some(channels)
        };
        let found = if self.source.chance(1, 3) { self.pick(fits) } else { None };
        let groups = self.divisor(channels)?;
        let more = self.extent().min(8);
        let w = match found {
            Some(w) => w,
            None => {
                let mut shape =
                    if transposed { vec![channels, more] } else { vec![groups * more, channels / groups] };
                for &n in spatial {
                    shape.push(1 + self.source.below(n.clamp(1, 4)));
                }
                self.make(ValueType::new(ty.dtype, shape), None)?
            }
        };
        let mut operands = vec![x, w];
        if self.source.chance(1, 2) {
            let d = self.ty(w).shape.dims();
            let out = if transposed { d[1] * groups } else { d[0] };
            operands.push(self.pick_or_make(ValueType::new(ty.dtype, [out]), None)?);
        }
        Some(operands)
    }

    fn divisor(&mut self, n: usize) -> Option<usize> {
        let all: Vec<usize> = (1..=n.clamp(1, 64)).filter(|&g| n.is_multiple_of(g)).collect();
        if self.source.chance(1, 2) { Some(1) } else { pick(self.source, &all) }
    }

    /// The groups that operands of a convolution were made for, or any.
    fn groups(&mut self, row: &Row, operands: &[Slot]) -> Option<usize> {
        let (x, w) = (self.ty(operands[0]).shape.clone(), self.ty(operands[1]).shape.clone());
        let channels = x.dims()[x.rank().checked_sub(w.rank() - 1)?];
        let out = operands.get(2).map(|&b| self.ty(b).shape.numel());
        match (row.name, out, w.dims()[1]) {
            ("conv", _, 0) => Some(1),
            ("conv", _, each) => Some(channels / each),
            (_, Some(out), each) if each > 0 => Some(out / each),
            _ => self.divisor(channels),
        }
    }

    /// Attributes in the order of the row.
    pub(super) fn window_attributes(&mut self, row: &'static Row, operands: &[Slot]) -> Option<Vec<Attr>> {
        let shape = self.ty(*operands.first()?).shape.clone();
        let rank = shape.rank();
        let most = match row.name {
            "unfold" => rank.min(3),
            "fold" => (rank / 2).min(3),
            "conv" | "conv_transpose" => self.ty(operands[1]).shape.rank().checked_sub(2)?,
            _ => (rank - 1).min(3),
        };
        let axes = match row.name {
            "unfold" | "fold" => 1 + self.source.below(most),
            "conv" | "conv_transpose" => most,
            // One or two axes before the spatial ones.
            _ => most - if rank < 5 && most > 1 { self.source.below(2) } else { 0 },
        };
        let spatial = &shape.dims()[rank.checked_sub(axes)?..];
        let stride = self.steps(axes);
        let dilation = self.steps(axes);
        Some(match row.name {
            "unfold" => vec![self.sizes_of_windows(spatial), list(&stride), list(&dilation)],
            "fold" => {
                let (places, size) = shape.dims()[rank - 2 * axes..].split_at(axes);
                let extent = (0..axes)
                    .map(|i| {
                        let far = places[i].checked_sub(1)?.checked_mul(stride[i])?;
                        let far = far.checked_add(size[i].checked_sub(1)?.checked_mul(dilation[i])?)?;
                        far.checked_add(1 + self.source.below(stride[i].min(4)))
                    })
                    .collect::<Option<Vec<usize>>>()?;
                vec![list(&extent), list(&stride), list(&dilation)]
            }
            "conv" => {
                let groups = self.groups(row, operands)?;
                vec![list(&stride), self.padding(axes), list(&dilation), Attr::Int(groups as i64)]
            }
            "conv_transpose" => {
                let more: Vec<usize> =
                    (0..axes).map(|i| self.source.below(stride[i].max(dilation[i]).min(4))).collect();
                let groups = Attr::Int(self.groups(row, operands)? as i64);
                vec![list(&stride), self.padding(axes), list(&more), list(&dilation), groups]
            }
            _ => {
                let mut attrs = vec![self.sizes_of_windows(spatial), list(&stride), self.padding(axes)];
                match row.name {
                    "avg_pool" => attrs.push(Attr::Bool(self.source.chance(1, 2))),
                    "smooth_max_pool" => {
                        attrs.push(Attr::Float([0.5, 1.0, 2.0, -1.0, 30.0][self.source.below(5)]))
                    }
                    _ => {}
                }
                attrs
            }
        })
    }

    /// Windows that mostly fit.
    fn sizes_of_windows(&mut self, spatial: &[usize]) -> Attr {
        let whole = self.source.chance(1, 8);
        let size = |g: &mut Self, n: usize| if whole { n } else { 1 + g.source.below(n.clamp(1, 4)) };
        list(&spatial.iter().map(|&n| size(self, n)).collect::<Vec<_>>())
    }

    /// Strides and dilations: 1 for the most part, far rarely.
    fn steps(&mut self, axes: usize) -> Vec<usize> {
        (0..axes)
            .map(|_| match self.source.below(40) {
                0 => [7, 1 << 20, 1 << 40, i64::MAX as usize][self.source.below(4)],
                1..=20 => 1,
                _ => 1 + self.source.below(3),
            })
            .collect()
    }

    /// None for the most part. Padding is laid out in memory, all of it, so that it is far
    /// only in graphs that are not run.
    fn padding(&mut self, axes: usize) -> Attr {
        let far = if self.limit < SMALL { [5, 7, 12, 33] } else { [5, 1 << 20, 1 << 40, i64::MAX as usize] };
        let entry = |g: &mut Self| match g.source.below(40) {
            0 => far[g.source.below(4)],
            1..=20 => 0,
            _ => g.source.below(3),
        };
        list(&(0..axes).map(|_| entry(self)).collect::<Vec<_>>())
    }

    /// Rows of a table: an index of any rank.
    pub(super) fn embedded(&mut self, row: &'static Row) -> Option<(Op, Vec<Slot>)> {
        let w = self.pick(|t| t.shape.rank() > 0)?;
        let len = self.ty(w).shape.dims()[0];
        let stray = self.stray;
        let found = (0..self.draft.values.len())
            .filter(|&v| {
                let value = &self.draft.values[v];
                let inside = stray || value.bound.is_some_and(|b| b <= len);
                value.ty.dtype == crate::graph::DType::I64 && inside
            })
            .collect::<Vec<Slot>>();
        let index = match pick(self.source, &found).filter(|_| self.source.chance(1, 2)) {
            Some(index) => index,
            None => {
                let mut dims = self.shape().dims().to_vec();
                dims.truncate(3);
                let bound = if stray { None } else { Some(len) };
                self.make(ValueType::new(crate::graph::DType::I64, Shape::new(&dims)), bound)?
            }
        };
        Some((op(row, Vec::new())?, vec![w, index]))
    }
}

/// A list attribute.
fn list(entries: &[usize]) -> Attr {
    Attr::Ints(entries.iter().map(|&v| i64::try_from(v).unwrap_or(i64::MAX)).collect())
}
