//! Pictures of graphs: layers from top to bottom, as SVG.
//!
//! The method is Sugiyama's: nodes get layers by their longest path from the
//! inputs, edges that pass layers get a bend in each, layers are ordered by the
//! mean place of neighbours until crossings do not get fewer, and boxes move
//! towards their neighbours as far as room allows.

mod layers;
mod order;
mod place;
mod svg;

use crate::graph::data::{Graph, Origin};
use crate::graph::types::ValueId;
use crate::ops::{Attr, Prim, Value};

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Input,
    Constant,
    Op,
    Output,
}

/// A box with its lines of text.
struct Box {
    kind: Kind,
    lines: Vec<String>,
}

/// An edge from box to box, with the type it carries.
struct Edge {
    from: usize,
    to: usize,
    label: String,
}

/// Characters of a line of text.
const LINE: usize = 40;

/// The boxes and edges of a graph.
struct Sketch {
    boxes: Vec<Box>,
    edges: Vec<Edge>,
}

impl Sketch {
    fn new(graph: &Graph) -> Sketch {
        let inputs = graph.inputs().len();
        let mut boxes = Vec::with_capacity(inputs + graph.nodes().len() + graph.outputs().len());
        let mut edges = Vec::new();
        for (v, input) in graph.input_values().zip(graph.inputs()) {
            let name = if input.name.is_empty() { v.to_string() } else { input.name.to_string() };
            boxes.push(Box { kind: Kind::Input, lines: vec![cut(&name), graph.ty(v).to_string()] });
        }
        // The box that owns a value; results of one node are told apart by their ids.
        let owner = |v: ValueId| match graph.origin(v) {
            Origin::Input(i) => (i as usize, String::new()),
            Origin::Node(n) => {
                let many = graph.node(n).results().len() > 1;
                (inputs + n.index(), if many { v.to_string() } else { String::new() })
            }
        };
        for (id, node) in graph.nodes_with_ids() {
            let constant = matches!(node.op.row().value, Value::Prim(Prim::Const));
            let ids: Vec<String> = node.results().map(|v| v.to_string()).collect();
            let types: Vec<String> = node.results().map(|v| graph.ty(v).to_string()).collect();
            let mut lines = vec![cut(&format!("{} = {}", ids.join(" "), node.op.name()))];
            if !node.op.attrs.all().is_empty() {
                lines.push(cut(&attributes(graph, id)));
            }
            lines.push(cut(&types.join(" ")));
            boxes.push(Box { kind: if constant { Kind::Constant } else { Kind::Op }, lines });
            for &v in node.operands() {
                let (from, label) = owner(v);
                edges.push(Edge { from, to: inputs + id.index(), label });
            }
        }
        for (i, &v) in graph.outputs().iter().enumerate() {
            let (from, label) = owner(v);
            edges.push(Edge { from, to: boxes.len(), label });
            boxes.push(Box { kind: Kind::Output, lines: vec![format!("output {i}")] });
        }
        Sketch { boxes, edges }
    }
}

/// The attributes of a node as one line.
fn attributes(graph: &Graph, id: crate::graph::types::NodeId) -> String {
    let op = &graph.node(id).op;
    let shown = op.attrs.all().iter().zip(op.row().attrs).map(|(attr, spec)| match attr {
        Attr::Int(v) => format!("{}={v}", spec.name),
        Attr::Float(v) => format!("{}={v}", spec.name),
        Attr::Bool(v) => format!("{}={v}", spec.name),
        Attr::Ints(v) => format!("{}={v:?}", spec.name),
        Attr::DType(v) => format!("{}={v}", spec.name),
        Attr::Data(v) => elements(v),
        Attr::Custom(_) => spec.name.to_string(),
        Attr::Graph(body) => format!("{} of {} nodes", spec.name, body.graph().nodes().len()),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The first elements of a constant.
fn elements(literal: &crate::ops::Literal) -> String {
    use crate::ops::Elements;
    let some = |items: Vec<String>, all: usize| {
        let more = if all > items.len() { ", ..." } else { "" };
        format!("[{}{more}]", items.join(", "))
    };
    const SHOWN: usize = 4;
    match literal.elements() {
        Elements::F64(v) => some(v.iter().take(SHOWN).map(f64::to_string).collect(), v.len()),
        Elements::F32(v) => some(v.iter().take(SHOWN).map(f32::to_string).collect(), v.len()),
        Elements::I64(v) => some(v.iter().take(SHOWN).map(i64::to_string).collect(), v.len()),
        Elements::Bool(v) => some(v.iter().take(SHOWN).map(bool::to_string).collect(), v.len()),
    }
}

/// A line cut to what a box holds.
fn cut(text: &str) -> String {
    if text.chars().count() <= LINE {
        return text.to_string();
    }
    text.chars().take(LINE - 3).chain("...".chars()).collect()
}

impl Graph {
    /// The graph as a picture in SVG, drawn top to bottom: inputs and constants
    /// rounded, operations with their attributes and types, outputs at the end.
    /// Takes time and space linear in the graph.
    pub fn to_svg(&self) -> String {
        let sketch = Sketch::new(self);
        let layers = layers::layers(&sketch);
        let order = order::order(layers);
        let placed = place::place(&sketch, order);
        svg::write(&sketch, &placed)
    }
}
