//! Lowering: graph -> primitives -> plan (scalars, loop kernels, calls, memory).

mod assemble;
mod blocks;
mod bodies;
mod calls;
pub(crate) mod check;
mod collapse;
mod columns;
mod core;
mod explode;
mod fuse;
mod join;
pub(crate) mod memory;
mod merge;
mod place;
pub(crate) mod plan;
pub(crate) mod points;
mod roll;
mod schedule;
mod simplify;

use crate::graph::{Graph, GraphError, ValueId};
use crate::ops::{AttrSpec, Op, OpError, Prim, Row, Rule, Value};
use crate::program::Stages;
use core::Core;
use plan::{Item, Place, Plan};
use thiserror::Error;

pub use schedule::Limits;

/// Why a graph cannot be lowered.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A rule or an expansion failed.
    #[error("{0}")]
    Graph(#[from] GraphError),
    /// The scratch memory does not fit the address space.
    #[error("the scratch memory of the program does not fit the address space")]
    TooLarge,
    /// The lowering broke its own rule: a defect of this crate.
    #[error("internal error of the lowering: {0}")]
    Internal(&'static str),
}

/// Stands for an input in the core graph; never evaluated.
static INPUT_ROW: Row = Row {
    name: "input",
    min_operands: 0,
    max_operands: 0,
    attrs: &[] as &[AttrSpec],
    infer: |op, _| Err(OpError::MissingRule { op: op.name(), rule: "shape" }),
    value: Value::Prim(Prim::Const),
    vjp: Rule::Zero,
    jvp: Rule::Zero,
    exact: true,
};
pub(crate) const INPUT_OP: Op = Op::plain(&INPUT_ROW);

/// How a graph is lowered.
#[derive(Clone, Copy, Debug)]
pub struct Lowering {
    /// Whether IEEE-exact rewrites and common subexpressions are applied.
    pub simplify: bool,
    /// How often structure of scalars repeats itself to become kernels; 0 for never.
    pub roll: usize,
    /// Unrolling and fusion.
    pub limits: Limits,
    /// Whether the plan's order and overlaps are checked.
    pub check: bool,
}

/// Lowers what gives some values of a graph, and the places where these and the
/// inputs live.
pub(crate) fn lower(
    graph: &Graph,
    values: &[ValueId],
    inputs: &[Place],
    outputs: &[Place],
    how: Lowering,
    stages: &mut Stages,
) -> Result<Plan, LowerError> {
    lower_at(graph, values, inputs, outputs, how, None, stages)
}

/// [`lower`]; a body comes of the node of this number.
fn lower_at(
    graph: &Graph,
    values: &[ValueId],
    inputs: &[Place],
    outputs: &[Place],
    how: Lowering,
    origin: Option<u32>,
    stages: &mut Stages,
) -> Result<Plan, LowerError> {
    let (core, live) = stages.simplify.run(|| {
        let mut core = core::expand(graph, values, how.simplify, origin)?;
        if how.simplify {
            core = assemble::assemble(core);
        }
        if how.roll > 0 {
            core = roll::roll(core, how.roll)?;
        }
        let live = core.live();
        Ok::<_, LowerError>((core, live))
    })?;
    stages.simplify.made = live.iter().filter(|&&live| live).count();
    let plan = stages.schedule.run(|| schedule(&core, &live, inputs, outputs, how))?;
    stages.schedule.made = plan.steps().filter(|item| !matches!(item, Item::Blocks(_))).count();
    Ok(plan)
}

/// From primitives to a plan that is placed and checked.
fn schedule(
    core: &Core,
    live: &[bool],
    inputs: &[Place],
    outputs: &[Place],
    how: Lowering,
) -> Result<Plan, LowerError> {
    let mut plan = schedule::Scheduler::new(core, live, how).run(inputs, outputs)?;
    if how.limits.fuse {
        join::join(&mut plan, how.limits.block);
        blocks::block(&mut plan, how.limits.block);
    }
    memory::plan_arena(&mut plan)?;
    check::addresses(&plan)?;
    if how.check {
        check::order(&plan)?;
    }
    Ok(plan)
}

/// Calls `f` with the offset of each point of an index space, row-major.
pub(crate) fn walk(dims: &[usize], strides: &[isize], start: isize, mut f: impl FnMut(isize)) {
    if dims.contains(&0) {
        return;
    }
    let mut index = vec![0usize; dims.len()];
    let mut at = start;
    loop {
        f(at);
        let mut axis = dims.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            // The step past the last point may leave the numbers; nobody uses it.
            at = at.wrapping_add(strides[axis]);
            if index[axis] < dims[axis] {
                break;
            }
            at = at.wrapping_sub(strides[axis].wrapping_mul(dims[axis] as isize));
            index[axis] = 0;
        }
    }
}
