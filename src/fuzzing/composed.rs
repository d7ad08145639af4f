//! Operands of the normalisations, of attention and of recurrent cells: shapes that
//! must fit each other in several places.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::Generator;
use crate::graph::{DType, ValueType};
use crate::ops::Row;

impl Generator<'_> {
    /// Operands of a row that is defined by others, if it is one of these.
    pub(super) fn composed(&mut self, row: &'static Row) -> Option<Vec<Slot>> {
        match row.name {
            "layer_norm" | "rms_norm" => {
                let x = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?;
                let ty = self.ty(x).clone();
                let first = self.source.below(ty.shape.rank());
                self.followed(x, row, &ty.shape.dims()[first..])
            }
            "batch_norm_eval" | "batch_norm_train" | "group_norm" => {
                let x = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 1)?;
                let channels = self.ty(x).shape.dims()[1];
                self.followed(x, row, &[channels])
            }
            "sdpa" => {
                let q = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 1)?;
                let ty = self.ty(q).clone();
                let (lead, own) = ty.shape.dims().split_at(ty.shape.rank() - 2);
                let (s, f) = (self.extent(), self.extent());
                let shaped = |a: usize, b: usize| lead.iter().copied().chain([a, b]).collect::<Vec<usize>>();
                let k = self.pick_or_make(ValueType::new(ty.dtype, shaped(s, own[1])), None)?;
                let v = self.pick_or_make(ValueType::new(ty.dtype, shaped(s, f)), None)?;
                let mut operands = vec![q, k, v];
                if self.source.chance(1, 2) {
                    let dtype = if self.source.chance(1, 2) { DType::Bool } else { ty.dtype };
                    operands.push(self.pick_or_make(ValueType::new(dtype, [own[0], s]), None)?);
                }
                Some(operands)
            }
            "multi_head_attention" => {
                let x = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 1)?;
                let ty = self.ty(x).clone();
                let [.., n, d] = *ty.shape.dims() else { return None };
                let columns = (1 + self.source.below(3)) * (1 + self.source.below(2));
                let mut operands = Vec::new();
                for dims in [[d, columns], [d, columns], [d, columns], [columns, d]] {
                    operands.push(self.pick_or_make(ValueType::new(ty.dtype, dims), None)?);
                }
                operands.push(x);
                if self.source.chance(1, 2) {
                    let lead = self.source.chance(1, 2);
                    let mask = if lead {
                        [&ty.shape.dims()[..ty.shape.rank() - 2], &[n, n]].concat()
                    } else {
                        vec![n, n]
                    };
                    operands.push(self.pick_or_make(ValueType::new(DType::Bool, mask), None)?);
                }
                Some(operands)
            }
            _ => {
                let (states, gates) = if row.name == "lstm_cell" { (2, 4) } else { (1, 3) };
                let x = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?;
                let ty = self.ty(x).clone();
                let (inputs, n) = (*ty.shape.dims().last()?, self.extent());
                let lead = &ty.shape.dims()[..ty.shape.rank() - 1];
                let state: Vec<usize> = lead.iter().copied().chain([n]).collect();
                let rows = gates * n;
                let mut shapes = vec![state; states];
                shapes.extend([vec![rows, inputs], vec![rows, n], vec![rows], vec![rows]]);
                let mut operands = vec![x];
                for shape in shapes {
                    operands.push(self.pick_or_make(ValueType::new(ty.dtype, shape), None)?);
                }
                Some(operands)
            }
        }
    }

    /// x and vectors of one shape.
    fn followed(&mut self, x: Slot, row: &'static Row, dims: &[usize]) -> Option<Vec<Slot>> {
        let ty = ValueType::new(self.ty(x).dtype, dims.to_vec());
        let mut operands = vec![x];
        while operands.len() < row.min_operands {
            operands.push(self.pick_or_make(ty.clone(), None)?);
        }
        Some(operands)
    }
}
