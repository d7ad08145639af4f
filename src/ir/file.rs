//! A file as it stands, with tuples, and their lowering to tensors.

use crate::graph::Shape;
use crate::ir::check;
use crate::ir::error::{IrError, shown};
use crate::ir::graph::{IrGraph, IrNode};
use crate::ir::kind::Kind;
use std::fmt;
use std::str::FromStr;

/// What is said of an attention whose result is a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Number of heads.
    pub num_heads: usize,
    /// Extent of the last axis.
    pub embed_dim: usize,
    /// Whether operands are (batch, sequence, embedding).
    pub batch_first: bool,
    /// Whether there is no dropout.
    pub dropout_zero: bool,
}

/// The value of a node of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileValue {
    /// A tensor.
    Tensor {
        /// What computes it.
        kind: Kind,
        /// Its declared shape.
        shape: Shape,
    },
    /// `tuple_getitem`: one tensor of a tuple.
    Item {
        /// Which.
        index: usize,
        /// Its declared shape.
        shape: Shape,
    },
    /// Several tensors, as some modules of PyTorch return them.
    Tuple {
        /// What computes them.
        kind: String,
        /// Where that is `multihead_attention`: its attributes.
        heads: Option<Heads>,
        /// Their declared shapes.
        shapes: Vec<Shape>,
    },
}

impl FileValue {
    pub(super) fn tag(&self) -> &str {
        match self {
            FileValue::Tensor { kind, .. } => kind.tag(),
            FileValue::Item { .. } => "tuple_getitem",
            FileValue::Tuple { kind, .. } => kind,
        }
    }
}

/// A node of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileNode {
    /// The id.
    pub id: usize,
    /// Ids of its operands.
    pub parents: Vec<usize>,
    /// Its value.
    pub value: FileValue,
}

/// A file as it was read, not checked yet. Prints back with keys in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Nodes as they stand.
    pub nodes: Vec<FileNode>,
    /// `input_id`.
    pub input: usize,
    /// `output_id`.
    pub output: usize,
}

impl File {
    /// Reads the JSON.
    ///
    /// # Errors
    /// See [`IrGraph::parse`].
    pub fn parse(text: &str) -> Result<File, IrError> {
        super::read::file(text)
    }

    /// The graph of tensors, checked. Without tuples it has the nodes of the file.
    /// With tuples its nodes are numbered anew: nodes of tuples vanish, and an
    /// attention becomes ten nodes, whose parameters are keyed by their new ids.
    ///
    /// # Errors
    /// See [`IrGraph::parse`].
    pub fn lower(self) -> Result<IrGraph, IrError> {
        if self.nodes.iter().all(|n| matches!(n.value, FileValue::Tensor { .. })) {
            let tensors = self.nodes.into_iter().filter_map(|n| match n.value {
                FileValue::Tensor { kind, shape } => {
                    Some(IrNode { id: n.id, kind, parents: n.parents, shape })
                }
                _ => None,
            });
            return IrGraph::new(tensors.collect(), self.input, self.output);
        }
        check::ids(self.nodes.iter().map(|n| n.id))?;
        let mut lowered = Lowered { nodes: Vec::new(), new_ids: Vec::with_capacity(self.nodes.len()) };
        for node in &self.nodes {
            let new = lowered.node(&self.nodes, node)?;
            lowered.new_ids.push(new);
        }
        let id = |role: &'static str, old: usize| match (lowered.new_ids.get(old), self.nodes.get(old)) {
            (Some(Some(new)), _) => Ok(*new),
            (_, Some(node)) => Err(node.wrong(format!("the {role} of the graph is not a tensor"))),
            (_, None) => Err(IrError::NoNode { role, id: old, len: self.nodes.len() }),
        };
        let (input, output) = (id("input", self.input)?, id("output", self.output)?);
        IrGraph::new(lowered.nodes, input, output)
    }
}

impl FileNode {
    fn wrong(&self, why: impl Into<String>) -> IrError {
        IrError::Tuple { node: self.id, kind: shown(self.value.tag()), why: why.into() }
    }
}

/// The nodes so far, and the new id of each old one that is a tensor.
struct Lowered {
    nodes: Vec<IrNode>,
    new_ids: Vec<Option<usize>>,
}

impl Lowered {
    fn push(&mut self, kind: Kind, parents: &[usize], shape: &Shape) -> usize {
        let id = self.nodes.len();
        self.nodes.push(IrNode { id, kind, parents: parents.to_vec(), shape: shape.clone() });
        id
    }

    /// The new id of a parent, which must be a tensor and stand before.
    fn parent(&self, node: &FileNode, parent: usize) -> Result<usize, IrError> {
        match self.new_ids.get(parent) {
            Some(Some(new)) => Ok(*new),
            Some(None) => Err(node.wrong(format!("parent {parent} is a tuple, not a tensor"))),
            None => {
                let summary = format!("{}: {}", node.id, shown(node.value.tag()));
                Err(IrError::Parent { node: node.id, parent, summary })
            }
        }
    }

    fn node(&mut self, all: &[FileNode], node: &FileNode) -> Result<Option<usize>, IrError> {
        match &node.value {
            FileValue::Tuple { .. } => {
                for &parent in node.parents.iter().filter(|&&p| p >= node.id) {
                    self.parent(node, parent)?;
                }
                Ok(None)
            }
            FileValue::Tensor { kind, shape } => {
                let parents: Vec<usize> =
                    node.parents.iter().map(|&p| self.parent(node, p)).collect::<Result<_, _>>()?;
                Ok(Some(self.push(kind.clone(), &parents, shape)))
            }
            FileValue::Item { index, shape } => self.item(all, node, *index, shape).map(Some),
        }
    }

    fn item(
        &mut self,
        all: &[FileNode],
        node: &FileNode,
        index: usize,
        shape: &Shape,
    ) -> Result<usize, IrError> {
        let &[parent] = node.parents.as_slice() else {
            return Err(node.wrong(format!("expects one tuple as parent, got {}", node.parents.len())));
        };
        if parent >= node.id {
            self.parent(node, parent)?;
        }
        match all.get(parent).map(|p| (p, &p.value)) {
            Some((tuple, FileValue::Tuple { heads: Some(heads), .. })) => {
                self.attention(node, tuple, *heads, index, shape)
            }
            Some((_, FileValue::Tuple { kind, .. })) => {
                Err(node.wrong(format!("no lowering for an element of a tuple of `{}`", shown(kind))))
            }
            _ => Err(node.wrong(format!("parent {parent} is a tensor, not a tuple"))),
        }
    }

    /// Self-attention of one head: softmax(q k^T / sqrt(d)) v between four `linear`.
    fn attention(
        &mut self,
        node: &FileNode,
        tuple: &FileNode,
        heads: Heads,
        index: usize,
        shape: &Shape,
    ) -> Result<usize, IrError> {
        if index != 0 {
            return Err(
                node.wrong(format!("element {index} of `multihead_attention` is not lowered, only 0"))
            );
        }
        for (wrong, what) in [
            (heads.num_heads != 1, "num_heads 1"),
            (!heads.batch_first, "batch_first true"),
            (!heads.dropout_zero, "dropout zero"),
        ] {
            if wrong {
                return Err(tuple.wrong(format!("only {what} is lowered")));
            }
        }
        let x = match tuple.parents[..] {
            [q, k, v] if q == k && k == v => self.parent(tuple, q)?,
            [_, _, _] => {
                return Err(tuple.wrong("only self-attention is lowered: query, key and value are one value"));
            }
            _ => {
                let got = tuple.parents.len();
                return Err(tuple.wrong(format!("expects query, key and value as parents, got {got}")));
            }
        };
        let x_shape = self.nodes[x].shape.clone();
        let &[batch, sequence, embed] = x_shape.dims() else {
            return Err(tuple.wrong(format!("expects a parent (batch, sequence, embedding), got {x_shape}")));
        };
        if embed != heads.embed_dim {
            let why = format!("embed_dim is {}, the last axis of the parent {embed}", heads.embed_dim);
            return Err(tuple.wrong(why));
        }
        if *shape != x_shape {
            return Err(node.wrong(format!("outShape mismatch: inferred={x_shape}, declared={shape}")));
        }
        let [q, k, v] = [(); 3].map(|()| self.push(Kind::Linear, &[x], &x_shape));
        let keys = self.push(Kind::Transpose3dLastTwo, &[k], &Shape::from([batch, embed, sequence]));
        let square = Shape::from([batch, sequence, sequence]);
        let scores = self.push(Kind::Matmul, &[q, keys], &square);
        let scale = self.push(Kind::Const { value_shape: square.clone() }, &[], &square);
        let scaled = self.push(Kind::MulElem, &[scores, scale], &square);
        let weights = self.push(Kind::Softmax { axis: 2 }, &[scaled], &square);
        let mixed = self.push(Kind::Matmul, &[weights, v], &x_shape);
        Ok(self.push(Kind::Linear, &[mixed], shape))
    }
}

impl FromStr for File {
    type Err = IrError;

    fn from_str(text: &str) -> Result<File, IrError> {
        File::parse(text)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::print::file(f, self)
    }
}
