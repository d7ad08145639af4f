//! Loops over random bodies, and branches between them.

use crate::fuzzing::custom::as_input;
use crate::fuzzing::draft::{DraftValue, Slot};
use crate::fuzzing::generate::Generator;
use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::{Body, Literal, make};

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
        let guarded = self.source.chance(1, 3);
        for i in 0..carries {
            operands.push(match guarded && i == 0 {
                true => self.boolean()?,
                false => self.pick(|_| true)?,
            });
        }
        let fits = |ty: &ValueType| ty.shape.dims().first() == Some(&steps);
        for _ in 0..self.source.below(3) {
            operands.extend(self.pick(fits));
        }
        if guarded && carries == 0 {
            let guards = |ty: &ValueType| fits(ty) && ty.dtype == DType::Bool && ty.shape.rank() == 1;
            operands.extend(self.pick(guards));
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
        let is_guard = |ty: &ValueType| ty.dtype == DType::Bool && ty.shape.is_scalar();
        let guard = (0..carries + slices).find(|&i| guarded && is_guard(&inputs[i].ty));
        let (body, backwards) = (Body::new(body).ok()?, self.source.chance(1, 2));
        let op = make::guarded_scan(body, steps, [carries, slices], backwards, guard);
        Some(self.append(op, operands))
    }

    /// Tries to append a branch.
    pub(super) fn branched(&mut self) -> Option<bool> {
        let condition = self.boolean()?;
        let mut operands = vec![condition];
        for _ in 0..1 + self.source.below(3) {
            operands.push(self.pick(|_| true)?);
        }
        let given = |&v: &Slot| as_input(&self.draft.values[v].ty, self.draft.values[v].bound);
        let inputs: Vec<DraftValue> = operands[1..].iter().map(given).collect();
        // Values of some types that there are: a body has them, or makes them.
        let mut types = Vec::new();
        for _ in 0..1 + self.source.below(3) {
            let like = self.pick(|ty| ty.dtype.is_float())?;
            types.push(self.ty(like).clone());
        }
        let mut body = || {
            self.inner(&inputs, self.levels, self.loops - 1, |g| {
                for ty in &types {
                    g.output_or_made(ty);
                }
            })
        };
        let (then, otherwise) = (body()?, body()?);
        if then.outputs().len() != types.len() || otherwise.outputs().len() != types.len() {
            return None;
        }
        let op = make::cond(Body::new(then).ok()?, Body::new(otherwise).ok()?);
        Some(self.append(op, operands))
    }

    /// One boolean: one that there is, or whether the sum of something is below 0.
    fn boolean(&mut self) -> Option<Slot> {
        let is_one = |ty: &ValueType| ty.dtype == DType::Bool && ty.shape.is_scalar();
        if self.source.chance(1, 3)
            && let Some(v) = self.pick(is_one)
        {
            return Some(v);
        }
        let v = self.pick(|ty| ty.dtype.is_float())?;
        let ty = self.ty(v).clone();
        let zero = self.constant(make::constant(Literal::filled(ty.dtype, (), 0.0)))?;
        let axes: Vec<usize> = (0..ty.shape.rank()).collect();
        let sum = self.appended(make::sum(&axes, false), vec![v])?;
        self.appended(make::lt(), vec![sum, zero])
    }

    /// An output of a type that may be new to the graph.
    fn output_or_made(&mut self, ty: &ValueType) {
        if self.draft.values.iter().all(|v| v.ty != *ty)
            && self.constant(make::constant(Literal::filled(ty.dtype, ty.shape.clone(), 0.5))).is_none()
        {
            return;
        }
        self.output(ty);
    }
}
