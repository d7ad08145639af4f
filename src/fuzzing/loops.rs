//! Loops over random bodies.

use crate::fuzzing::custom::as_input;
use crate::fuzzing::draft::{DraftValue, Slot};
use crate::fuzzing::generate::Generator;
use crate::graph::{Shape, ValueId, ValueType};
use crate::ops::{Body, make};

impl Generator<'_> {
    /// Tries to append a loop.
    pub(super) fn looped(&mut self) -> Option<bool> {
        let sliced = self.pick(|ty| ty.shape.dims().first().is_some_and(|&n| n > 0));
        let steps = match sliced {
            Some(v) if self.source.chance(3, 4) => self.ty(v).shape.dims()[0],
            _ if self.source.chance(1, 20) => 0,
            _ => 1 + self.source.below(6),
        };
        let mut operands: Vec<Slot> = Vec::new();
        let carries = self.source.below(4);
        for _ in 0..carries {
            operands.push(self.pick(|_| true)?);
        }
        let fits = |ty: &ValueType| ty.shape.dims().first() == Some(&steps);
        for _ in 0..self.source.below(3) {
            operands.extend(self.pick(fits));
        }
        let slices = operands.len() - carries;
        for _ in 0..self.source.below(3) {
            operands.push(self.pick(|_| true)?);
        }
        if operands.is_empty() {
            return None;
        }
        let given = |(i, &v): (usize, &Slot)| {
            let DraftValue { ty, bound, .. } = &self.draft.values[v];
            match i.checked_sub(carries) {
                // Nothing is known of what a carry becomes.
                None => as_input(ty, None),
                Some(i) if i < slices => {
                    let slice = ValueType { dtype: ty.dtype, shape: Shape::new(&ty.shape.dims()[1..]) };
                    as_input(&slice, *bound)
                }
                Some(_) => as_input(ty, *bound),
            }
        };
        let inputs: Vec<DraftValue> = operands.iter().enumerate().map(given).collect();
        let mut body = self.inner(&inputs, self.levels, self.loops - 1, |g| {
            for input in &inputs[..carries] {
                g.output(&input.ty);
            }
            if carries == 0 || g.source.chance(3, 4) {
                g.draw_outputs();
            }
        })?;
        // What reverse works from, as the builder has it.
        if self.source.chance(1, 2) {
            let mut outputs = body.outputs().to_vec();
            outputs.extend((0..carries as u32).map(ValueId::new));
            body.set_outputs(outputs);
        }
        let op = make::scan(Body::new(body).ok()?, steps, [carries, slices], self.source.chance(1, 2));
        Some(self.append(op, operands))
    }
}
