//! Jacobians: as many sweeps side by side as there are unit vectors. The sweeps
//! share the values of the graph, and what their rules compute of those alone is
//! merged when the graph is lowered.

use crate::derive::forms::{check_wrt, copy_with};
use crate::derive::sweep::{self, Connection, Level};
use crate::graph::{DType, Graph, GraphError, Recorder, Shape, ValueId, ValueType};
use crate::ops::{Elements, Emitter, Literal, OpError, make};

/// In which mode a Jacobian is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// A column per sweep: one sweep for each element to differentiate by.
    Forward,
    /// A row per sweep: one sweep for each element of the outputs.
    Reverse,
    /// The mode with fewer sweeps, forward where there are as many.
    #[default]
    Cheaper,
}

impl Mode {
    fn is_forward(self, graph: &Graph, outputs: &[ValueId], wrt: &[ValueId]) -> bool {
        let elements = |values: &[ValueId]| values.iter().map(|&v| graph.ty(v).numel() as u128).sum::<u128>();
        match self {
            Mode::Forward => true,
            Mode::Reverse => false,
            Mode::Cheaper => elements(wrt) <= elements(outputs),
        }
    }
}

/// The derivatives of one output by one input, while they are gathered.
struct Block {
    /// Columns or rows; `None` after a sweep that did not arrive, as then none does.
    parts: Option<Vec<ValueId>>,
    connection: Connection,
}

impl Block {
    /// Nothing gathered yet; `path` says whether the output hangs on the input at all.
    fn new(path: bool) -> Block {
        Block { parts: path.then(Vec::new), connection: Connection::of(path, path) }
    }
}

/// The graph whose outputs are the outputs of `graph`, then for each float output
/// and each of `wrt` (the latter faster) the Jacobian of shape output ++ input.
///
/// # Errors
/// A value to differentiate by that does not exist or is no float, an op without
/// a rule, a Jacobian past the size limit.
pub fn value_and_jacobian(
    graph: &Graph,
    wrt: &[ValueId],
    mode: Mode,
) -> Result<(Graph, Vec<Connection>), GraphError> {
    check_wrt(graph, wrt)?;
    let outputs: Vec<ValueId> =
        graph.outputs().iter().copied().filter(|&o| graph.ty(o).dtype.is_float()).collect();
    for &o in &outputs {
        for &v in wrt {
            // Refused before any sweep is recorded for it.
            block_type(graph, o, v)?;
        }
    }
    let (mut e, map, _) = copy_with(graph, &[])?;
    let forward = mode.is_forward(graph, &outputs, wrt);
    let blocks = match forward {
        true => columns(graph, &mut e, &map, &outputs, wrt)?,
        false => rows(graph, &mut e, &map, &outputs, wrt)?,
    };
    let mut out: Vec<ValueId> = graph.outputs().iter().map(|o| map[o.index()]).collect();
    let mut connections = Vec::with_capacity(blocks.len());
    let pairs = outputs.iter().flat_map(|&o| wrt.iter().map(move |&v| (o, v)));
    for ((o, v), block) in pairs.zip(blocks) {
        let ty = block_type(graph, o, v)?;
        connections.push(block.connection);
        let e: &mut dyn Emitter = &mut e;
        out.push(match block.parts.as_deref() {
            None | Some([]) => e.full(ty.dtype, ty.shape, 0.0)?,
            Some([only]) => e.reshape(*only, &ty.shape)?,
            Some(parts) => {
                let joined = e.one(make::concat(usize::from(forward)), parts)?;
                e.reshape(joined, &ty.shape)?
            }
        });
    }
    Ok((e.finish(out), connections))
}

fn block_type(graph: &Graph, output: ValueId, by: ValueId) -> Result<ValueType, OpError> {
    let dims = graph.shape(output).dims().iter().chain(graph.shape(by).dims());
    let ty = ValueType::new(graph.ty(output).dtype, dims.copied().collect::<Shape>());
    match ty.checked_bytes() {
        Some(_) => Ok(ty),
        None => Err(OpError::TooLarge { op: "jacobian", ty }),
    }
}

/// Seeds of a sweep: a tensor at one value that is 1 at one element and 0 elsewhere.
fn unit(graph: &Graph, e: &mut Recorder, v: ValueId, at: usize) -> Result<Vec<Option<ValueId>>, OpError> {
    let ty = graph.ty(v);
    let n = ty.numel();
    let spread = |i: usize| if i == at { 1.0 } else { 0.0 };
    let elements = match ty.dtype {
        DType::F32 => Elements::F32((0..n).map(|i| spread(i) as f32).collect()),
        _ => Elements::F64((0..n).map(spread).collect()),
    };
    let literal = Literal::new(ty.shape.clone(), elements)
        .ok_or_else(|| OpError::TooLarge { op: "jacobian", ty: ty.clone() })?;
    let mut seeds = vec![None; graph.len()];
    seeds[v.index()] = Some((e as &mut dyn Emitter).one(make::constant(literal), &[])?);
    Ok(seeds)
}

/// Forward sweeps: tangents of all outputs for one element after the other.
fn columns(
    graph: &Graph,
    e: &mut Recorder,
    map: &[ValueId],
    outputs: &[ValueId],
    wrt: &[ValueId],
) -> Result<Vec<Block>, GraphError> {
    let mut by_input: Vec<Vec<Block>> = Vec::with_capacity(wrt.len());
    for &v in wrt {
        let active = sweep::active(graph, &[v]);
        let mut blocks: Vec<Block> = outputs.iter().map(|o| Block::new(active[o.index()])).collect();
        let reached = outputs.iter().any(|o| active[o.index()]);
        for at in 0..if reached { graph.ty(v).numel() } else { 0 } {
            let seeds = unit(graph, e, v, at)?;
            let tangents = sweep::forward(graph, e, map, seeds, Level::Graph)?;
            for (&o, block) in outputs.iter().zip(&mut blocks) {
                let column = Shape::from([graph.ty(o).numel(), 1]);
                gather(e, block, tangents[o.index()], &column)?;
            }
        }
        by_input.push(blocks);
    }
    let mut columns: Vec<_> = by_input.into_iter().map(Vec::into_iter).collect();
    Ok(outputs
        .iter()
        .flat_map(|_| columns.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>())
        .collect())
}

/// Reverse sweeps: gradients of one element of an output after the other.
fn rows(
    graph: &Graph,
    e: &mut Recorder,
    map: &[ValueId],
    outputs: &[ValueId],
    wrt: &[ValueId],
) -> Result<Vec<Block>, GraphError> {
    let active = sweep::active(graph, wrt);
    let paths: Vec<Vec<bool>> = wrt.iter().map(|&v| sweep::active(graph, &[v])).collect();
    let mut all = Vec::with_capacity(outputs.len() * wrt.len());
    for &o in outputs {
        let mut blocks: Vec<Block> = paths.iter().map(|path| Block::new(path[o.index()])).collect();
        for at in 0..if active[o.index()] { graph.ty(o).numel() } else { 0 } {
            let seeds = unit(graph, e, o, at)?;
            let swept = sweep::reverse(graph, e, map, seeds, Some(&active), None, Level::Graph)?;
            for (&v, block) in wrt.iter().zip(&mut blocks) {
                let row = Shape::from([1, graph.ty(v).numel()]);
                gather(e, block, swept.cotangent(v), &row)?;
            }
        }
        all.extend(blocks);
    }
    Ok(all)
}

/// Adds a column or row; one that is zero by rule says so of the whole block.
fn gather(e: &mut Recorder, block: &mut Block, part: Option<ValueId>, shape: &Shape) -> Result<(), OpError> {
    match (part, &mut block.parts) {
        (Some(part), Some(parts)) => parts.push((e as &mut dyn Emitter).reshape(part, shape)?),
        (None, Some(_)) => {
            block.parts = None;
            block.connection = Connection::ZeroByRule;
        }
        _ => {}
    }
    Ok(())
}
