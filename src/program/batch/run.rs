//! Calls over points: block by block through rows of lanes, or point by point. Nothing is allocated.

use crate::graph::ValueType;
use crate::jit::Status;
use crate::program::Program;
use crate::program::batch::args::Bound;
use crate::program::batch::build::{Batch, Lanes};
use crate::program::batch::workspace::Scratch;
use crate::program::build::Function;
use crate::program::error::RunError;
use crate::program::workspace::Workspace;
use cotangent_runtime::points::{self, Lane, Rows, Strides};
use std::ops::Range;

/// Points between looks at what else there is to do, where they are done one by one.
const SINGLES: usize = 64;

/// A call whose arguments were checked.
pub(super) struct Call<'c> {
    pub batch: &'c Batch,
    /// Does one point, where there are no lanes.
    pub single: Option<&'c Program>,
    pub points: usize,
    pub inputs: &'c [Bound<*const u8>],
    pub outputs: &'c [Bound<*mut u8>],
}

// SAFETY: threads read the inputs, and write different points of the outputs, which have places of
// their own.
unsafe impl Sync for Call<'_> {}

impl Call<'_> {
    /// Points that are done together.
    fn block(&self) -> usize {
        self.batch.lanes.as_ref().map_or(SINGLES, |lanes| lanes.code.most)
    }

    /// Does all points, each scratch its share of the blocks.
    pub fn share(&self, scratch: &mut [Scratch]) -> Result<(), RunError> {
        if self.points == 0 {
            return Ok(());
        }
        let each = self.points.div_ceil(self.block()).div_ceil(scratch.len().max(1)) * self.block();
        let part = |(i, scratch): (usize, &mut Scratch)| {
            let start = self.points.min(i * each);
            self.run(scratch, start..self.points.min(start + each))
        };
        #[cfg(feature = "rayon")]
        if scratch.len() > 1 {
            use rayon::prelude::*;
            // Shares are in order, so this is the error of the first point that fails.
            return scratch.par_iter_mut().enumerate().map(part).reduce(|| Ok(()), Result::and);
        }
        scratch.iter_mut().enumerate().try_for_each(part)
    }

    /// Does some of the points; they start at a block.
    fn run(&self, scratch: &mut Scratch, range: Range<usize>) -> Result<(), RunError> {
        let bytes = scratch.bytes.as_ref().ok_or(RunError::OutOfMemory { bytes: self.batch.scratch() })?;
        let base = bytes.start();
        match &self.batch.lanes {
            Some(lanes) if lanes.code.size == 8 => self.rows::<u64>(lanes, base, range),
            Some(lanes) => self.rows::<u32>(lanes, base, range),
            None => {
                let missing = RunError::NotCompiled { form: self.batch.form.name() };
                let (Some(program), Some(ws)) = (self.single, &mut scratch.single) else {
                    return Err(missing);
                };
                let functions = &program.inner.functions;
                let function = self.batch.form.function(functions).ok_or(missing)?;
                range.into_iter().try_for_each(|point| {
                    let done = self.single(program, function, ws, base, point);
                    done.map_err(|error| RunError::AtPoint { point, error: Box::new(error) })
                })
            }
        }
    }

    /// Block by block. Numbers are of type `T`, in rows at `base`.
    fn rows<T: Lane>(&self, lanes: &Lanes, base: *mut u8, range: Range<usize>) -> Result<(), RunError> {
        let most = lanes.code.most;
        let at = lanes.code.rows;
        let apart = at.apart / size_of::<T>();
        let inputs = || self.batch.inputs.iter().zip(self.inputs).zip(&lanes.inputs);
        // SAFETY, here and below: rows of a block lie in the scratch, whose size is that of the code;
        // a block's points are among those that the arguments were checked for.
        let row = |row: u32| unsafe { base.add(at.at(row)).cast::<T>() };
        let shared = |bound: &Bound<*const u8>| bound.strides.point == 0;
        for ((ty, bound), first) in inputs() {
            if let (Some(first), true) = (*first, shared(bound)) {
                // SAFETY: as above.
                unsafe { read(ty, bound, 0..most, row(first), apart) }
            }
        }
        let mut status = Status::OK;
        for start in range.clone().step_by(most) {
            let block = start..range.end.min(start + most);
            let n = block.len();
            let padded = n.next_multiple_of(lanes.code.lanes);
            for ((ty, bound), first) in inputs() {
                let (Some(first), false) = (*first, shared(bound)) else { continue };
                // SAFETY: as above.
                unsafe { read(ty, bound, block.clone(), row(first), apart) }
                // The last register is filled with the last point again.
                for e in 0..if padded > n { ty.numel() } else { 0 } {
                    // SAFETY: rows have room for whole registers.
                    let row = unsafe { std::slice::from_raw_parts_mut(row(first).add(e * apart), padded) };
                    let last = row[n - 1];
                    row[n..].fill(last);
                }
            }
            // SAFETY: the scratch starts with room for both words; the code touches the rows and
            // what it spills behind them, for `padded` points.
            unsafe {
                base.cast::<[u64; 2]>().write(lanes.code.header(padded));
                lanes.code.code.call(std::ptr::null(), std::ptr::null(), base, &raw mut status);
            }
            for ((ty, bound), &first) in self.batch.outputs.iter().zip(self.outputs).zip(&lanes.outputs) {
                // SAFETY: as above; every element has a place of its own.
                unsafe { write(ty, bound, block.clone(), row(first), apart) }
            }
        }
        Ok(())
    }

    /// One point by the program for it.
    fn single(
        &self,
        program: &Program,
        function: &Function,
        ws: &mut Workspace,
        base: *mut u8,
        point: usize,
    ) -> Result<(), RunError> {
        let types = || self.batch.inputs.iter().chain(&self.batch.outputs).zip(&self.batch.places);
        for (i, ((ty, &place), bound)) in types().zip(self.inputs).enumerate() {
            let at = bound.at.wrapping_add(point * bound.strides.point * ty.dtype.size());
            // SAFETY: the scratch has the place.
            let room = unsafe { base.add(place) };
            ws.inputs[i] = at;
            if !in_place(ty, bound.strides) {
                ws.inputs[i] = room;
                // SAFETY: the point is one of those that were checked.
                unsafe { copy(ty, at, bound.strides.element, room, 1) }
            }
        }
        let outputs = || types().skip(self.inputs.len()).zip(self.outputs).enumerate();
        let at = |ty: &ValueType, bound: &Bound<*mut u8>| {
            bound.at.wrapping_add(point * bound.strides.point * ty.dtype.size())
        };
        for (i, ((ty, &place), bound)) in outputs() {
            // SAFETY: as above.
            ws.outputs[i] =
                if in_place(ty, bound.strides) { at(ty, bound) } else { unsafe { base.add(place) } };
        }
        program.inner.run(function, ws)?;
        for (i, ((ty, _), bound)) in outputs().filter(|(_, ((ty, _), bound))| !in_place(ty, bound.strides)) {
            // SAFETY: as above; the function filled the place.
            unsafe { copy(ty, ws.outputs[i], 1, at(ty, bound), bound.strides.element) }
        }
        Ok(())
    }
}

/// Whether the elements of a point stand side by side.
fn in_place(ty: &ValueType, strides: Strides) -> bool {
    strides.element == 1 || ty.numel() <= 1
}

/// Copies the elements of one point.
///
/// # Safety
/// Both have as many elements as the type, at their strides, apart from each other.
unsafe fn copy(ty: &ValueType, from: *const u8, every: usize, to: *mut u8, each: usize) {
    // The elements as points of one element.
    unsafe fn typed<T: Copy>(n: usize, from: *const T, every: usize, to: *mut T, each: usize) {
        for i in 0..n {
            // SAFETY: the caller's promise.
            unsafe { *to.add(i * each) = *from.add(i * every) };
        }
    }
    let n = ty.numel();
    // SAFETY: the caller's promise; elements are of one, four or eight bytes.
    unsafe {
        match ty.dtype.size() {
            1 => typed(n, from, every, to, each),
            4 => typed::<u32>(n, from.cast(), every, to.cast(), each),
            _ => typed::<u64>(n, from.cast(), every, to.cast(), each),
        }
    }
}

/// Points of an input to rows.
///
/// # Safety
/// The points are in range; `row` is the first of as many rows as the type has elements.
unsafe fn read<T: Lane>(
    ty: &ValueType,
    bound: &Bound<*const u8>,
    block: Range<usize>,
    row: *mut T,
    apart: usize,
) {
    let (strides, rows) = (bound.strides, Rows { count: ty.numel(), apart });
    let first = block.start * strides.point;
    // SAFETY: the caller's promise.
    unsafe {
        match ty.dtype.size() {
            1 => points::read_masks(block.len(), bound.at.wrapping_add(first), strides, row, rows),
            _ => points::read(block.len(), bound.at.cast::<T>().wrapping_add(first), strides, row, rows),
        }
    }
}

/// Points of an output from rows.
///
/// # Safety
/// As for [`read`].
unsafe fn write<T: Lane>(
    ty: &ValueType,
    bound: &Bound<*mut u8>,
    block: Range<usize>,
    row: *const T,
    apart: usize,
) {
    let (strides, rows) = (bound.strides, Rows { count: ty.numel(), apart });
    let first = block.start * strides.point;
    // SAFETY: the caller's promise.
    unsafe {
        match ty.dtype.size() {
            1 => points::write_masks(block.len(), row, rows, bound.at.wrapping_add(first), strides),
            _ => points::write(block.len(), row, rows, bound.at.cast::<T>().wrapping_add(first), strides),
        }
    }
}
