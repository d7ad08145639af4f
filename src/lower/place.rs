//! Which buffer a node is in: one of its own, that of the node it is a view of, or a part of an input.

use crate::graph::ValueId;
use crate::lower::LowerError;
use crate::lower::core::Kind;
use crate::lower::plan::{BufId, Place};
use crate::lower::schedule::{Scalars, Scheduler, by_many};
use crate::ops::{Literal, Prim};

/// A uniform constant of more elements is filled by the code when it needs an
/// address: a program owns no memory that its graph does not list.
const OWNED_FILL: usize = 512;

impl Scheduler<'_> {
    /// The buffer of a node, which is computed now if it has not been.
    pub fn materialise(&mut self, id: ValueId) -> Result<BufId, LowerError> {
        if let Some(buf) = self.memory[id.index()] {
            return Ok(buf);
        }
        let node = self.core.node(id);
        let filled = |l: &Literal| l.elements().len() == 1 && l.ty().numel() > OWNED_FILL;
        let buf = if let Some(literal) = self.core.literal(id).filter(|l| !filled(l)) {
            let place = Place::Literal(literal.clone());
            self.buffer(id, place)
        } else if let Some(elements) = self.elements.get(id).map(Scalars::from) {
            let buf = self.target(id);
            self.store_all(buf, &elements);
            buf
        } else {
            match node.kind {
                Kind::Prim(Prim::Reshape) => self.materialise(node.operands[0])?,
                Kind::Prim(Prim::Slice) if !self.output.contains_key(&id) => match self.part(id)? {
                    Some(place) => self.buffer(id, place),
                    None => {
                        let buf = self.target(id);
                        self.copy_to(id, buf)?;
                        buf
                    }
                },
                Kind::Prim(Prim::Reduce(kind)) => {
                    let buf = self.target(id);
                    self.reduce_into(id, kind, buf)?;
                    buf
                }
                Kind::Map(_) if by_many(node) => self.call(id)?,
                Kind::Callback(_)
                | Kind::Bodies(_)
                | Kind::Prim(
                    Prim::Fold
                    | Prim::Matmul
                    | Prim::IndexSelect
                    | Prim::Gather
                    | Prim::IndexAdd
                    | Prim::ScatterAdd
                    | Prim::Array(_)
                    | Prim::RandomBits,
                ) => self.call(id)?,
                _ => {
                    let buf = self.target(id);
                    self.copy_to(id, buf)?;
                    buf
                }
            }
        };
        self.memory[id.index()] = Some(buf);
        Ok(buf)
    }

    /// Where a slice stands that is a part of an input without gaps, or a part of such a part.
    fn part(&mut self, id: ValueId) -> Result<Option<Place>, LowerError> {
        let (mut at, mut from) = (id, 0);
        loop {
            let node = self.core.node(at);
            let operand = node.operands.first().copied();
            match (node.kind, operand) {
                (Kind::Prim(Prim::Reshape), Some(operand)) => at = operand,
                (Kind::Prim(Prim::Slice), Some(operand)) if self.memory[at.index()].is_none() => {
                    let source = self.core.node(operand).shape();
                    let (first, step) = (node.attrs.sizes(0), node.attrs.sizes(2));
                    let (whole, dims) = (source.dims(), node.shape().dims());
                    // Behind the first axis that is longer than 1 all is there.
                    let mut long = (0..dims.len()).skip_while(|&a| dims[a] == 1);
                    let cut = long.next();
                    let gaps = long.any(|a| dims[a] != whole[a]) || cut.is_some_and(|a| step[a] != 1);
                    if gaps || node.ty.numel() == 0 {
                        return Ok(None);
                    }
                    from += first
                        .iter()
                        .zip(source.strides())
                        .map(|(&first, stride)| first * stride)
                        .sum::<usize>();
                    at = operand;
                }
                (Kind::Input(_) | Kind::Prim(Prim::Slice), _) => {
                    let buf = self.materialise(at)?;
                    return Ok(match self.plan.buffer(buf).place {
                        Place::Input(k) => Some(Place::Part(k, from)),
                        Place::Part(k, before) => Some(Place::Part(k, before + from)),
                        _ => None,
                    });
                }
                _ => return Ok(None),
            }
        }
    }
}
