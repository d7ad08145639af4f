//! Reading graphs, one statement per line.

use super::HEADER;
use super::nearest::nearest;
use super::print::Quoted;
use super::scan::{Result, Scan};
use super::values::ty;
use crate::graph::data::{Graph, Origin};
use crate::graph::error::{GraphError, GraphErrorKind};
use crate::graph::types::ValueId;
use crate::ops::{self, Attr, Body, CustomOp, OpError, Row};
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

/// Operands that the error of an op shows.
const SHOWN: usize = 8;

pub(super) struct Parser<'t> {
    pub(super) scan: Scan<'t>,
    graph: Graph,
    names: HashSet<String>,
    rows: HashMap<&'static str, &'static Row>,
    custom: HashMap<String, CustomOp>,
    outputs: Option<Vec<ValueId>>,
    /// The bodies that have been read.
    pub(super) bodies: Vec<Body>,
    /// Whether the graph at hand is a body.
    inside: bool,
    operands: Vec<ValueId>,
}

/// Ops of the user's own, and their rules, by the names they are printed with.
fn named(ops: &[CustomOp]) -> HashMap<String, CustomOp> {
    let mut named = HashMap::new();
    let mut next: Vec<&CustomOp> = ops.iter().rev().collect();
    while let Some(op) = next.pop() {
        let name = format!("{}{}", op.name(), op.role().suffix());
        if let Entry::Vacant(entry) = named.entry(name) {
            entry.insert(op.clone());
            next.extend(op.rule_ops());
        }
    }
    named
}

pub(super) fn parse(text: &str, custom: &[CustomOp]) -> Result<Graph> {
    let mut parser = Parser {
        scan: Scan::new(text),
        graph: Graph::new(),
        names: HashSet::new(),
        rows: ops::table().chain(ops::loops()).map(|row| (row.name, row)).collect(),
        custom: named(custom),
        outputs: None,
        bodies: Vec::new(),
        inside: false,
        operands: Vec::new(),
    };
    parser.header()?;
    while parser.scan.statement() {
        parser.statement()?;
    }
    if parser.inside {
        return Err(parser.scan.expected("`end` of a body"));
    }
    parser.finish()
}

impl Parser<'_> {
    fn header(&mut self) -> Result<()> {
        self.scan.statement();
        for word in HEADER {
            let mut start = self.scan;
            if self.scan.word("").ok() != Some(word) {
                return Err(start.expected(format!("{word} of the first line `{}`", HEADER.join(" "))));
            }
        }
        self.scan.end("")
    }

    fn statement(&mut self) -> Result<()> {
        let mut start = self.scan;
        match (self.scan.peek(), &self.outputs) {
            (Some(b'%'), None) => return self.node(),
            (Some(b'%'), Some(_)) => return Err(start.expected(self.after_output())),
            _ => {}
        }
        match (self.scan.word("").unwrap_or_default(), &self.outputs) {
            ("output", _) => self.output(),
            ("input", None) => self.input(start.here()),
            ("body", None) if !self.inside && self.graph.is_empty() => self.begin(),
            ("end", Some(_)) if self.inside => self.end(start.here()),
            (_, None) => Err(start.expected("`input`, `%id = op` or `output`")),
            (_, Some(_)) => Err(start.expected(self.after_output())),
        }
    }

    fn after_output(&self) -> &'static str {
        if self.inside { "`end` after `output`" } else { "nothing but `output` after `output`" }
    }

    /// The graph that has been read.
    fn finish(&mut self) -> Result<Graph> {
        let Some(outputs) = self.outputs.take() else {
            return Err(self.scan.expected("`output` and ids as the last statement"));
        };
        self.graph.set_outputs(outputs);
        self.names.clear();
        Ok(std::mem::take(&mut self.graph))
    }

    fn begin(&mut self) -> Result<()> {
        let (next, at) = (self.bodies.len(), self.scan.here());
        match self.scan.body(&format!("@{next}, the next body"))? {
            id if id == next => self.inside = true,
            id => {
                let message = format!("expected @{next}, the next body, found @{id}");
                return Err(self.scan.error(at, message));
            }
        }
        self.scan.end("")
    }

    fn end(&mut self, at: usize) -> Result<()> {
        self.scan.end("")?;
        let body = Body::new(self.finish()?).map_err(|error| self.scan.error(at, error.to_string()))?;
        self.bodies.push(body);
        self.inside = false;
        Ok(())
    }

    /// A body that stands above, by its number.
    pub(super) fn body(&mut self) -> Result<Attr> {
        let at = self.scan.here();
        let id = self.scan.body("the number of a body above")?;
        match self.bodies.get(id) {
            Some(body) => Ok(Attr::Graph(body.clone())),
            None => {
                let n = self.bodies.len();
                let message = format!("expected a body above (there are {n}), found @{id}");
                Err(self.scan.error(at, message))
            }
        }
    }

    fn input(&mut self, start: usize) -> Result<()> {
        self.next_id(self.graph.len())?;
        let name_at = self.scan.here();
        let name = self.scan.string()?;
        self.scan.expect(b':', "`:` and a type")?;
        let ty_at = self.scan.here();
        let ty = ty(&mut self.scan)?;
        self.scan.end("")?;
        if !self.graph.nodes().is_empty() {
            return Err(self.scan.error(start, GraphErrorKind::LateInput { name }.to_string()));
        }
        if self.names.contains(&name) {
            return Err(self.scan.error(name_at, GraphErrorKind::DuplicateInput { name }.to_string()));
        }
        self.graph
            .push_input(name.as_str(), ty)
            .map_err(|error| self.scan.error(ty_at, error.to_string()))?;
        // Nameless inputs may be many.
        if !name.is_empty() {
            self.names.insert(name);
        }
        Ok(())
    }

    fn output(&mut self) -> Result<()> {
        let mut outputs = self.outputs.take().unwrap_or_default();
        while self.scan.peek() == Some(b'%') {
            outputs.push(self.old_id()?);
        }
        self.outputs = Some(outputs);
        self.scan.end("an id or ")
    }

    fn node(&mut self) -> Result<()> {
        let start = self.scan.here();
        let mut ids = 0;
        while self.scan.peek() == Some(b'%') {
            self.next_id(self.graph.len() + ids)?;
            ids += 1;
        }
        self.scan.expect(b'=', "`=` or another id")?;
        let op_at = self.scan.here();
        let name = self.scan.word("the name of an op")?;
        let row = self.rows.get(name).copied();
        let custom = self.custom.get(name).cloned();
        if row.is_none() && custom.is_none() {
            return Err(self.unknown_op(op_at, name));
        }
        self.operands.clear();
        while self.scan.peek() == Some(b'%') {
            let operand = self.old_id()?;
            self.operands.push(operand);
        }
        let given = row.map_or(Ok(Vec::new()), |row| self.attributes(row))?;
        self.scan.expect(b':', "`:` and a type")?;
        let first = (self.scan.here(), ty(&mut self.scan)?);
        let mut declared = vec![first];
        while self.scan.peek().is_some() {
            declared.push((self.scan.here(), ty(&mut self.scan)?));
        }
        let op = match (row, custom) {
            (None, Some(custom)) => custom.op(),
            (Some(row), _) => self.op(row, op_at, given, &declared[0].1)?,
            (None, None) => return Err(self.unknown_op(op_at, name)),
        };
        let results =
            self.graph.push(op, &self.operands, None).map_err(|error| self.op_error(op_at, error))?;
        if results.len() != ids || results.len() != declared.len() {
            let ids = (start, "ids", ids);
            let types = (declared[0].0, "types", declared.len());
            let (at, what, got) = if results.len() != ids.2 { ids } else { types };
            let message =
                format!("expected as many {what} as {name} has results ({}), found {got}", results.len());
            return Err(self.scan.error(at, message));
        }
        for (&id, (at, declared)) in results.iter().zip(&declared) {
            let ty = self.graph.ty(id);
            if ty != declared {
                return Err(self
                    .scan
                    .error(*at, format!("expected {ty}, the type of {name}, found {declared}")));
            }
        }
        Ok(())
    }

    fn next_id(&mut self, next: usize) -> Result<()> {
        let at = self.scan.here();
        match self.scan.id(&format!("%{next}, the next id"))? {
            id if id == next => Ok(()),
            id => Err(self.scan.error(at, format!("expected %{next}, the next id, found %{id}"))),
        }
    }

    /// The id of a value that stands above.
    fn old_id(&mut self) -> Result<ValueId> {
        let at = self.scan.here();
        let id = self.scan.id("the id of a value above")?;
        ValueId::from_usize(id).filter(|&v| self.graph.contains(v)).ok_or_else(|| {
            let message =
                format!("expected the id of a value above (there are {}), found %{id}", self.graph.len());
            self.scan.error(at, message)
        })
    }

    fn unknown_op(&self, at: usize, name: &str) -> GraphError {
        let shown = name.get(..40).unwrap_or(name);
        let hint = match nearest(name, ops::table().chain(ops::loops()).map(|row| row.name)) {
            Some(other) => format!(", did you mean `{other}`?"),
            None => " (custom ops are given to Graph::parse_with)".into(),
        };
        self.scan.error(at, format!("unknown op `{shown}`{hint}"))
    }

    /// What an op says of its operands, with the operands.
    fn op_error(&self, at: usize, error: OpError) -> GraphError {
        let shown: Vec<String> = self.operands.iter().take(SHOWN).map(|&v| self.operand(v)).collect();
        let more = if self.operands.len() > SHOWN { ", ..." } else { "" };
        let operands =
            if shown.is_empty() { String::new() } else { format!(" (operands {}{more})", shown.join(", ")) };
        self.scan.error(at, format!("{error}{operands}"))
    }

    fn operand(&self, v: ValueId) -> String {
        let name = match self.graph.origin(v) {
            Origin::Input(i) => self.graph.inputs().get(i as usize).map_or("", |input| &input.name),
            Origin::Node(_) => "",
        };
        let name = if name.is_empty() { String::new() } else { format!(" {}", Quoted(name)) };
        format!("{v}{name}: {}", self.graph.ty(v))
    }
}
