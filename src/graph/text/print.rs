//! Printing graphs.

use super::HEADER;
use super::float::{write_f32, write_f64};
use crate::graph::data::{Graph, Node};
use crate::graph::types::ValueType;
use crate::ops::{Attr, Body, Elements, Literal};
use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Formatter, Write};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", HEADER.join(" "))?;
        let (mut bodies, mut numbers) = (Vec::new(), Numbers::new());
        collect(self, &mut bodies, &mut numbers);
        for (i, body) in bodies.iter().enumerate() {
            writeln!(f, "body @{i}")?;
            graph(f, body.graph(), &numbers)?;
            writeln!(f, "end")?;
        }
        graph(f, self, &numbers)
    }
}

/// Bodies by number.
type Numbers<'g> = HashMap<&'g Body, usize>;

/// The bodies of a graph, each once and behind those that it holds.
fn collect<'g>(graph: &'g Graph, bodies: &mut Vec<&'g Body>, numbers: &mut Numbers<'g>) {
    for body in graph.nodes().iter().flat_map(|node| node.op.bodies()) {
        if !numbers.contains_key(body) {
            collect(body.graph(), bodies, numbers);
            numbers.insert(body, bodies.len());
            bodies.push(body);
        }
    }
}

/// The statements of a graph.
fn graph(f: &mut Formatter<'_>, graph: &Graph, numbers: &Numbers<'_>) -> fmt::Result {
    for (value, input) in graph.input_values().zip(graph.inputs()) {
        writeln!(f, "input {value} {}: {}", Quoted(&input.name), graph.ty(value))?;
    }
    let mut custom: BTreeSet<&str> = BTreeSet::new();
    for node in graph.nodes() {
        if let Some(op) = node.op.custom()
            && custom.insert(op.name())
        {
            writeln!(f, "# {} is a custom op: not in this text, read with Graph::parse_with", op.name())?;
        }
        statement(f, graph, node, numbers)?;
    }
    f.write_str("output")?;
    for value in graph.outputs() {
        write!(f, " {value}")?;
    }
    f.write_char('\n')
}

fn statement(f: &mut Formatter<'_>, graph: &Graph, node: &Node, numbers: &Numbers<'_>) -> fmt::Result {
    for value in node.results() {
        write!(f, "{value} ")?;
    }
    write!(f, "= {}", node.op.name())?;
    let custom = node.op.custom();
    if let Some(custom) = custom {
        f.write_str(custom.role().suffix())?;
    }
    for operand in node.operands() {
        write!(f, " {operand}")?;
    }
    let first = graph.ty(node.result());
    // What a custom op is does not stand in the text.
    let attrs = if custom.is_some() { &[] } else { node.op.attrs.all() };
    for (i, (attr, spec)) in attrs.iter().zip(node.op.row().attrs).enumerate() {
        write!(f, "{}{}=", if i == 0 { " {" } else { ", " }, spec.name)?;
        attribute(f, attr, first, numbers)?;
    }
    f.write_str(if attrs.is_empty() { ":" } else { "}:" })?;
    for value in node.results() {
        write!(f, " {}", graph.ty(value))?;
    }
    f.write_char('\n')
}

fn attribute(f: &mut Formatter<'_>, attr: &Attr, first: &ValueType, numbers: &Numbers<'_>) -> fmt::Result {
    match attr {
        Attr::Int(v) => write!(f, "{v}"),
        Attr::Float(v) => write_f64(f, *v),
        Attr::Bool(v) => write!(f, "{v}"),
        Attr::Ints(v) => list(f, v, ",", |f, v| write!(f, "{v}")),
        Attr::DType(v) => write!(f, "{v}"),
        Attr::Data(v) => data(f, v, first),
        Attr::Custom(v) => f.write_str(v.name()),
        Attr::Graph(v) => write!(f, "@{}", numbers.get(v).copied().unwrap_or_default()),
    }
}

fn data(f: &mut Formatter<'_>, literal: &Literal, first: &ValueType) -> fmt::Result {
    if literal.ty() != first {
        write!(f, "{} ", literal.ty())?;
    }
    match literal.elements() {
        Elements::F64(v) => list(f, v, ", ", |f, v| write_f64(f, *v)),
        Elements::F32(v) => list(f, v, ", ", |f, v| write_f32(f, *v)),
        Elements::I64(v) => list(f, v, ", ", |f, v| write!(f, "{v}")),
        Elements::Bool(v) => list(f, v, ", ", |f, v| write!(f, "{v}")),
    }
}

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    separator: &str,
    item: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char('[')?;
    for (i, v) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        item(f, v)?;
    }
    f.write_char(']')
}

/// A name in quotes, on one line.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
