//! Printing: keys in a fixed order, one node per line, numbers in the shortest
//! form that reads back to the same bits.

use crate::graph::Shape;
use crate::ir::file::{File, FileValue, Heads};
use crate::ir::graph::IrGraph;
use crate::ir::kind::{Attribute, Kind};
use crate::ir::read::FORMAT;
use std::fmt::{self, Formatter, Write};

pub(super) fn graph(f: &mut Formatter<'_>, graph: &IrGraph) -> fmt::Result {
    frame(f, graph.input_id(), graph.output_id(), graph.nodes(), |f, node| {
        start(f, node.id, node.kind.tag(), &node.parents)?;
        tensor(f, &node.kind, &node.shape)
    })
}

pub(super) fn file(f: &mut Formatter<'_>, file: &File) -> fmt::Result {
    frame(f, file.input, file.output, &file.nodes, |f, node| {
        start(f, node.id, node.value.tag(), &node.parents)?;
        match &node.value {
            FileValue::Tensor { kind, shape } => tensor(f, kind, shape),
            FileValue::Item { index, shape } => {
                key(f, "shape")?;
                list(f, shape.dims())?;
                key(f, "index")?;
                write!(f, "{index}")
            }
            FileValue::Tuple { heads, shapes, .. } => tuple(f, heads.as_ref(), shapes),
        }
    })
}

fn frame<T>(
    f: &mut Formatter<'_>,
    input: usize,
    output: usize,
    nodes: &[T],
    node: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(
        f,
        "{{\n  \"format\": \"{FORMAT}\",\n  \"input_id\": {input},\n  \"output_id\": {output},\n  \"nodes\": ["
    )?;
    for (i, item) in nodes.iter().enumerate() {
        f.write_str(if i == 0 { "\n    " } else { ",\n    " })?;
        node(f, item)?;
        f.write_char('}')?;
    }
    f.write_str(if nodes.is_empty() { "]\n}\n" } else { "\n  ]\n}\n" })
}

fn start(f: &mut Formatter<'_>, id: usize, kind: &str, parents: &[usize]) -> fmt::Result {
    write!(f, "{{\"id\": {id}, \"kind\": ")?;
    string(f, kind)?;
    key(f, "parents")?;
    list(f, parents)
}

fn key(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, ", \"{name}\": ")
}

fn tensor(f: &mut Formatter<'_>, kind: &Kind, shape: &Shape) -> fmt::Result {
    key(f, "shape")?;
    list(f, shape.dims())?;
    for (name, attribute) in kind.attributes() {
        // A constant has the shape of its node unless it says otherwise.
        if matches!(kind, Kind::Const { value_shape } if value_shape == shape) {
            continue;
        }
        key(f, name)?;
        match attribute {
            Attribute::Natural(n) => write!(f, "{n}")?,
            Attribute::Real(x) => write!(f, "{x:?}")?,
            Attribute::Naturals(v) => list(f, &v)?,
        }
    }
    Ok(())
}

fn tuple(f: &mut Formatter<'_>, heads: Option<&Heads>, shapes: &[Shape]) -> fmt::Result {
    key(f, "value_kind")?;
    f.write_str("\"tuple\"")?;
    key(f, "tuple_shapes")?;
    f.write_char('[')?;
    for (i, shape) in shapes.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        list(f, shape.dims())?;
    }
    f.write_char(']')?;
    if let Some(Heads { num_heads, embed_dim, batch_first, dropout_zero }) = heads {
        write!(f, ", \"num_heads\": {num_heads}, \"embed_dim\": {embed_dim}")?;
        write!(f, ", \"batch_first\": {batch_first}, \"dropout_zero\": {dropout_zero}")?;
    }
    Ok(())
}

fn list(f: &mut Formatter<'_>, items: &[usize]) -> fmt::Result {
    f.write_char('[')?;
    for (i, item) in items.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        write!(f, "{item}")?;
    }
    f.write_char(']')
}

/// A JSON string: the kind of a tuple may be any text.
fn string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
