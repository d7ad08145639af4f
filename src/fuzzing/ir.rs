//! Random well-formed graphs in the form of the interchange file, of every kind,
//! and the body of its fuzz target.

use crate::fuzzing::source::{Bytes, Source, pick};
use crate::fuzzing::targets::{Target, edit};
use crate::graph::Shape;
use crate::ir::{Conv, File, IrGraph, IrNode, Kind, Window};

/// Largest number of elements of a value.
const ELEMENTS: usize = 200;
/// Most axes of a value.
const AXES: usize = 4;

/// Draws a graph of up to `nodes` nodes and some more that they need as parents.
pub fn ir_graph(source: &mut dyn Source, nodes: usize) -> Option<IrGraph> {
    let mut draft = Draft { nodes: Vec::new(), source };
    let shape = draft.shape();
    draft.push(Kind::Input, &[], shape);
    let wanted = 1 + draft.source.below(nodes);
    for _ in 0..4 * wanted {
        let tag = pick(draft.source, Kind::TAGS)?;
        draft.node(tag);
        if draft.nodes.len() > wanted {
            break;
        }
    }
    let output = draft.nodes.len() - 1;
    IrGraph::new(draft.nodes, 0, output).ok()
}

struct Draft<'s> {
    nodes: Vec<IrNode>,
    source: &'s mut dyn Source,
}

impl Draft<'_> {
    fn push(&mut self, kind: Kind, parents: &[usize], shape: Shape) -> usize {
        let id = self.nodes.len();
        self.nodes.push(IrNode { id, kind, parents: parents.to_vec(), shape });
        id
    }

    fn extent(&mut self) -> usize {
        match self.source.below(8) {
            0 => 5,
            n => n.div_ceil(2),
        }
    }

    fn shape(&mut self) -> Shape {
        let rank = self.source.below(AXES + 1);
        (0..rank).map(|_| self.extent()).collect()
    }

    fn constant(&mut self, shape: Shape) -> usize {
        self.push(Kind::Const { value_shape: shape.clone() }, &[], shape)
    }

    /// A node whose shape fits, or a new constant of a shape that does.
    fn parent(&mut self, fits: fn(&Shape) -> bool, rank: usize) -> usize {
        let all: Vec<usize> = (0..self.nodes.len()).filter(|&i| fits(&self.nodes[i].shape)).collect();
        match pick(self.source, &all) {
            Some(found) => found,
            None => {
                let shape = (0..rank).map(|_| self.extent()).collect();
                self.constant(shape)
            }
        }
    }

    /// Another node of this shape, or a new constant.
    fn like(&mut self, shape: &Shape) -> usize {
        let all: Vec<usize> = (0..self.nodes.len()).filter(|&i| self.nodes[i].shape == *shape).collect();
        match pick(self.source, &all) {
            Some(found) if !self.source.chance(1, 4) => found,
            _ => self.constant(shape.clone()),
        }
    }

    fn of(&self, node: usize) -> Shape {
        self.nodes[node].shape.clone()
    }

    fn axis(&mut self, node: usize) -> usize {
        self.source.below(self.nodes[node].shape.rank())
    }

    /// A window that fits an image (.., h, w), and padding up to half of it.
    fn window(&mut self, image: &Shape, padded: bool) -> (Window, usize) {
        let side = |d: &mut Self, n: usize| 1 + d.source.below(n.min(3));
        let (h, w) = (image.dims()[image.rank() - 2], image.dims()[image.rank() - 1]);
        let (kh, kw) = (side(self, h), side(self, w));
        let padding = if padded { self.source.below(kh.min(kw) / 2 + 1) } else { 0 };
        (Window { kh, kw, stride: 1 + self.source.below(2) }, padding)
    }

    fn windows(image: &Shape, window: Window, padding: usize, channels: usize) -> Shape {
        let cut = image.rank() - 3;
        let places = |n: usize, k: usize| (n + 2 * padding - k) / window.stride + 1;
        let (h, w) = (image.dims()[cut + 1], image.dims()[cut + 2]);
        let out = [channels, places(h, window.kh), places(w, window.kw)];
        image.dims()[..cut].iter().chain(&out).copied().collect()
    }

    fn node(&mut self, tag: &str) {
        let any: fn(&Shape) -> bool = |_| true;
        let axes: fn(&Shape) -> bool = |s| s.rank() >= 1;
        let image: fn(&Shape) -> bool = |s| s.rank() == 3 || s.rank() == 4;
        let plain = [
            Kind::Detach,
            Kind::Abs,
            Kind::Sqrt,
            Kind::Inv,
            Kind::Relu,
            Kind::Tanh,
            Kind::Sigmoid,
            Kind::Exp,
            Kind::Log,
            Kind::Sin,
            Kind::Cos,
            Kind::Add,
            Kind::Sub,
            Kind::MulElem,
            Kind::MaxElem,
            Kind::MinElem,
        ];
        if let Some(kind) = plain.into_iter().find(|k| k.tag() == tag) {
            let a = self.parent(any, 1);
            let shape = self.of(a);
            let parents = if kind.arity().0 == 2 { vec![a, self.like(&shape)] } else { vec![a] };
            self.push(kind, &parents, shape);
            return;
        }
        match tag {
            "input" => drop(self.push(Kind::Input, &[], self.of(0))),
            "const" => {
                let shape = self.shape();
                self.constant(shape);
            }
            "rand_uniform" => {
                let (seed, shape) = (self.source.bits(), self.shape());
                self.push(Kind::RandUniform { seed }, &[], shape);
            }
            "bernoulli_mask" => {
                let keep = self.parent(Shape::is_scalar, 0);
                let (seed, shape) = (self.source.bits(), self.shape());
                self.push(Kind::BernoulliMask { seed }, &[keep], shape);
            }
            "sum" => {
                let x = self.parent(any, 1);
                self.push(Kind::Sum, &[x], Shape::scalar());
            }
            "mse_loss" => {
                let a = self.parent(any, 1);
                let b = self.like(&self.of(a));
                self.push(Kind::MseLoss, &[a, b], Shape::scalar());
            }
            "reduce_sum" | "reduce_mean" => {
                let x = self.parent(axes, 2);
                let axis = self.axis(x);
                let mut dims = self.of(x).dims().to_vec();
                dims.remove(axis);
                let kind =
                    if tag == "reduce_sum" { Kind::ReduceSum { axis } } else { Kind::ReduceMean { axis } };
                self.push(kind, &[x], Shape::from(dims));
            }
            "softmax" | "layernorm" => {
                let x = self.parent(axes, 2);
                let (axis, shape) = (self.axis(x), self.of(x));
                let eps = self.source.chance(1, 2).then_some(1e-5);
                let kind =
                    if tag == "softmax" { Kind::Softmax { axis } } else { Kind::Layernorm { axis, eps } };
                self.push(kind, &[x], shape);
            }
            "permute" | "swap_first_two" | "transpose3d_last_two" => self.permuted(tag),
            "reshape" | "flatten" => {
                let x = self.parent(any, 2);
                let from = self.of(x);
                let n = from.numel();
                let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
                match (tag, pick(self.source, &divisors)) {
                    ("reshape", Some(d)) => {
                        let to = Shape::from([d, n / d]);
                        self.push(Kind::Reshape { from, to: to.clone() }, &[x], to);
                    }
                    _ => drop(self.push(Kind::Flatten { from }, &[x], Shape::from([n]))),
                }
            }
            "broadcast_to" => self.broadcast(),
            "concat" => {
                let first = self.parent(axes, 2);
                let (axis, shape) = (self.axis(first), self.of(first));
                let mut parents = vec![first];
                for _ in 0..1 + self.source.below(2) {
                    parents.push(self.like(&shape));
                }
                let mut dims = shape.dims().to_vec();
                dims[axis] *= parents.len();
                if Shape::new(&dims).numel() <= ELEMENTS {
                    self.push(Kind::Concat { axis }, &parents, Shape::from(dims));
                }
            }
            "matmul" => {
                let a = self.parent(|s| s.rank() == 2 || s.rank() == 3, 2);
                let (mut dims, n) = (self.of(a).dims().to_vec(), self.extent());
                let last = dims.len() - 1;
                let (m, k) = (dims[last - 1], dims[last]);
                (dims[last - 1], dims[last]) = (k, n);
                let b = self.like(&Shape::new(&dims));
                (dims[last - 1], dims[last]) = (m, n);
                self.push(Kind::Matmul, &[a, b], Shape::from(dims));
            }
            "linear" => {
                let x = self.parent(axes, 1);
                let mut dims = self.of(x).dims().to_vec();
                if let Some(last) = dims.last_mut() {
                    *last = self.extent();
                }
                self.push(Kind::Linear, &[x], Shape::from(dims));
            }
            "max_pool2d" | "avg_pool2d" | "max_pool2d_pad" | "avg_pool2d_pad" => {
                let x = self.parent(image, 3);
                let shape = self.of(x);
                let (window, padding) = self.window(&shape, tag.ends_with("pad"));
                let out = Self::windows(&shape, window, padding, shape.dims()[shape.rank() - 3]);
                let kind = match tag {
                    "max_pool2d" => Kind::MaxPool2d { window },
                    "avg_pool2d" => Kind::AvgPool2d { window },
                    "max_pool2d_pad" => Kind::MaxPool2dPad { window, padding },
                    _ => Kind::AvgPool2dPad { window, padding },
                };
                self.push(kind, &[x], out);
            }
            "conv2d" => {
                let x = self.parent(image, 3);
                let (shape, out_channels) = (self.of(x), self.extent());
                let (window, padding) = self.window(&shape, true);
                let conv =
                    Conv { in_channels: shape.dims()[shape.rank() - 3], out_channels, window, padding };
                self.push(Kind::Conv2d { conv }, &[x], Self::windows(&shape, window, padding, out_channels));
            }
            "batch_norm2d_nchw_eval" => {
                let x = self.parent(|s| s.rank() == 4, 4);
                let shape = self.of(x);
                let eps = self.source.chance(1, 2).then_some(1e-5);
                let kind = Kind::BatchNorm2dNchwEval { channels: shape.dims()[1], eps };
                self.push(kind, &[x], shape);
            }
            _ => {}
        }
    }

    fn permuted(&mut self, tag: &str) {
        let (kind, x, perm) = match tag {
            "swap_first_two" => {
                let x = self.parent(|s| s.rank() >= 2, 2);
                let perm = [1, 0].into_iter().chain(2..self.of(x).rank()).collect();
                (Kind::SwapFirstTwo, x, perm)
            }
            "transpose3d_last_two" => {
                (Kind::Transpose3dLastTwo, self.parent(|s| s.rank() == 3, 3), vec![0, 2, 1])
            }
            _ => {
                let x = self.parent(|_| true, 3);
                let mut perm: Vec<usize> = (0..self.of(x).rank()).collect();
                for i in (1..perm.len()).rev() {
                    perm.swap(i, self.source.below(i + 1));
                }
                (Kind::Permute { perm: perm.clone() }, x, perm)
            }
        };
        let from = self.of(x);
        let to = perm.iter().map(|&p: &usize| from.dims()[p]).collect();
        self.push(kind, &[x], to);
    }

    /// Axes repeated and added; a graph that the rule does not allow is not drawn.
    fn broadcast(&mut self) {
        let x = self.parent(|s| s.rank() < AXES, 1);
        let from = self.of(x);
        let mut to = Vec::new();
        for &d in from.dims() {
            if self.source.chance(1, 3) && to.len() < AXES {
                to.push(self.extent());
            }
            to.push(if d == 1 { self.extent() } else { d });
        }
        if self.source.chance(1, 2) {
            to.push(self.extent());
        }
        let to = Shape::from(to);
        let kind = Kind::BroadcastTo { from, to: to.clone() };
        let node = IrNode { id: self.nodes.len(), kind, parents: vec![x], shape: to };
        if node.shape.numel() <= ELEMENTS && node.is_consistent(&self.nodes) {
            self.nodes.push(node);
        }
    }
}

/// The interchange file: no bytes make its parser panic, and what parses prints to
/// a text that parses to the same file and prints the same.
pub(super) fn check_file(target: &mut Target, bytes: &[u8]) {
    let mut source = Bytes::new(bytes);
    let text = match source.chance(1, 2) {
        true => {
            let printed = ir_graph(&mut source, 12).map(|g| g.to_string()).unwrap_or_default();
            edit(&printed, &mut source)
        }
        false => String::from_utf8_lossy(bytes).into_owned(),
    };
    target.runs += 1;
    let Ok(file) = File::parse(&text) else { return };
    let printed = file.to_string();
    let again = File::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(file, again, "another file is read back:\n{printed}");
    assert_eq!(printed, again.to_string());
    if let Ok(graph) = file.lower() {
        let printed = graph.to_string();
        let again = IrGraph::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(graph, again, "another graph is read back:\n{printed}");
        target.valid += 1;
    }
}
