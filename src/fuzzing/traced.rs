//! What a traced loop leaves behind: the same few operations on one element after the other.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::Generator;
use crate::fuzzing::source::pick;
use crate::graph::{Shape, ValueType};
use crate::ops::{Op, Row, make};

/// What an operation of the loop takes beside the value at hand.
#[derive(Clone, Copy)]
enum Other {
    /// That value again.
    Itself,
    /// The element so many places further on, round the end.
    Element(usize),
    /// The same element each time.
    Fixed(usize),
    /// What the step before gave.
    Before,
}

impl Generator<'_> {
    /// Tries to append the steps of a loop over the elements of a value, and their sum,
    /// difference or product, or what joins them.
    pub(super) fn traced(&mut self, rows: &[&'static Row]) -> Option<()> {
        let v = self.pick(|ty| ty.dtype.is_float() && ty.numel() > 2)?;
        let n = self.ty(v).numel();
        let stride = [1, 1, 1, 2, 3][self.source.below(5)];
        let times = n.div_ceil(stride).min(3 + self.source.below(8));
        let first = self.source.below(n - (times - 1) * stride);
        let backwards = self.source.chance(1, 3);
        let body: Vec<(&'static Row, Other, bool)> = (0..1 + self.source.below(3))
            .filter_map(|_| {
                let row = pick(self.source, rows)?;
                let other = match self.source.below(8) {
                    0 => Other::Itself,
                    1 | 2 => Other::Fixed(self.source.below(n)),
                    3 => Other::Before,
                    _ => Other::Element(self.source.below(4.min(n))),
                };
                Some((row, other, self.source.chance(1, 2)))
            })
            .collect();
        let mut results: Vec<Slot> = Vec::new();
        for k in 0..times {
            let at = first + stride * if backwards { times - 1 - k } else { k };
            let mut y = self.element(v, at)?;
            for &(row, other, swapped) in &body {
                let other = match other {
                    Other::Itself => y,
                    Other::Element(ahead) => self.element(v, (at + ahead) % n)?,
                    Other::Fixed(at) => self.element(v, at)?,
                    Other::Before => results.last().copied().unwrap_or(y),
                };
                let operands = match (row.max_operands, swapped) {
                    (1, _) => vec![y],
                    (_, false) => vec![y, other],
                    (_, true) => vec![other, y],
                };
                y = self.appended(Op::plain(row), operands)?;
            }
            results.push(y);
        }
        self.together(&results)
    }

    /// What becomes of the steps: a chain, joined elements, or nothing.
    fn together(&mut self, results: &[Slot]) -> Option<()> {
        let (&first, others) = results.split_first()?;
        match self.source.below(6) {
            0 => {}
            1 => {
                let parts: Vec<Slot> = results.iter().filter_map(|&v| self.reshaped(v, &[1])).collect();
                self.appended(make::concat(0), parts)?;
            }
            how => {
                let mut sum = first;
                for &term in others {
                    sum = match how {
                        2 => self.appended(make::mul(), vec![sum, term])?,
                        3 => self.appended(make::sub(), vec![sum, term])?,
                        4 => self.appended(make::add(), vec![term, sum])?,
                        _ => self.appended(make::add(), vec![sum, term])?,
                    };
                }
            }
        }
        Some(())
    }

    fn reshaped(&mut self, v: Slot, dims: &[usize]) -> Option<Slot> {
        self.appended(make::reshape(&Shape::new(dims)), vec![v])
    }

    /// One element of a value, as a scalar.
    fn element(&mut self, v: Slot, at: usize) -> Option<Slot> {
        let ValueType { shape, .. } = self.ty(v).clone();
        let index: Vec<usize> =
            shape.strides().iter().zip(shape.dims()).map(|(stride, n)| at / stride % n).collect();
        let after: Vec<usize> = index.iter().map(|i| i + 1).collect();
        let part = self.appended(make::slice(&index, &after, &vec![1; index.len()]), vec![v])?;
        self.reshaped(part, &[])
    }
}
