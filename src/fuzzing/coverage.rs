//! Which rows, and which pairs of producer and consumer, graphs have met.

use crate::graph::{Graph, Origin, ValueType};
use crate::ops::{self, Op};
use std::collections::{BTreeMap, HashMap};

/// Types by element type and rank, as a set of bits.
type TypeSet = u64;

fn type_bit(ty: &ValueType) -> TypeSet {
    1 << (ty.dtype as u64 * 16 + (ty.shape.rank() as u64).min(15))
}

/// Custom ops by graphs and by callbacks: all count as one row each.
const CUSTOM: &str = "custom";
const CALLBACK: &str = "callback";

/// Counts over many graphs.
#[derive(Clone, Debug)]
pub struct Coverage {
    rows: HashMap<&'static str, usize>,
    names: Vec<&'static str>,
    /// How often each row occurred.
    seen: Vec<u64>,
    /// How often a result of one row was an operand of another.
    pairs: BTreeMap<(usize, usize), u64>,
    /// What types each row gave and took.
    gives: Vec<TypeSet>,
    takes: Vec<TypeSet>,
    /// How many graphs had each number of nodes.
    nodes: BTreeMap<usize, u64>,
}

impl Default for Coverage {
    fn default() -> Coverage {
        let rows = ops::table().chain(ops::loops());
        let names: Vec<&'static str> = rows.map(|row| row.name).chain([CUSTOM, CALLBACK]).collect();
        let rows = names.iter().enumerate().map(|(i, &name)| (name, i)).collect();
        let n = names.len();
        Coverage {
            rows,
            names,
            seen: vec![0; n],
            pairs: BTreeMap::new(),
            gives: vec![0; n],
            takes: vec![0; n],
            nodes: BTreeMap::new(),
        }
    }
}

impl Coverage {
    /// Counts a graph.
    pub fn add(&mut self, graph: &Graph) {
        *self.nodes.entry(graph.nodes().len()).or_default() += 1;
        for node in graph.nodes() {
            let Some(row) = self.row(&node.op) else { continue };
            self.seen[row] += 1;
            for result in node.results() {
                self.gives[row] |= type_bit(graph.ty(result));
            }
            for &operand in node.operands() {
                self.takes[row] |= type_bit(graph.ty(operand));
                if let Origin::Node(from) = graph.origin(operand)
                    && let Some(from) = self.row(&graph.node(from).op)
                {
                    *self.pairs.entry((from, row)).or_default() += 1;
                }
            }
        }
    }

    fn row(&self, op: &Op) -> Option<usize> {
        let name = match op.custom() {
            Some(custom) if custom.graph().is_some() => CUSTOM,
            Some(_) => CALLBACK,
            None => op.name(),
        };
        self.rows.get(name).copied()
    }

    /// Rows met, of all.
    pub fn ops(&self) -> (usize, usize) {
        (self.seen.iter().filter(|&&n| n > 0).count(), self.names.len())
    }

    /// Names of the rows not met.
    pub fn missing(&self) -> Vec<&'static str> {
        self.names.iter().zip(&self.seen).filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect()
    }

    /// Pairs met, of those reachable: the producer gives a type (element type
    /// and rank) that the consumer takes, as far as both were met.
    pub fn pairs(&self) -> (usize, usize) {
        (self.pairs.len(), self.reachable().count())
    }

    /// Reachable pairs not met, by name.
    pub fn missing_pairs(&self) -> Vec<(&'static str, &'static str)> {
        let missing = self.reachable().filter(|pair| !self.pairs.contains_key(pair));
        missing.map(|(a, b)| (self.names[a], self.names[b])).collect()
    }

    fn reachable(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let n = self.names.len();
        (0..n * n).map(move |i| (i / n, i % n)).filter(|&(a, b)| self.gives[a] & self.takes[b] != 0)
    }

    /// The median number of nodes of a graph.
    pub fn median_nodes(&self) -> usize {
        let half = self.nodes.values().sum::<u64>().div_ceil(2);
        let mut below = 0;
        for (&nodes, &graphs) in &self.nodes {
            below += graphs;
            if below >= half {
                return nodes;
            }
        }
        0
    }

    /// As lines of text, to go on from later.
    pub fn save(&self) -> String {
        let mut text = String::new();
        for (i, name) in self.names.iter().enumerate() {
            text += &format!("row {name} {} {} {}\n", self.seen[i], self.gives[i], self.takes[i]);
        }
        for (&(a, b), n) in &self.pairs {
            text += &format!("pair {} {} {n}\n", self.names[a], self.names[b]);
        }
        for (nodes, graphs) in &self.nodes {
            text += &format!("nodes {nodes} {graphs}\n");
        }
        text
    }

    /// Adds one line of [`Coverage::save`]; `None` for a line of something else.
    pub fn load(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["row", name, seen, gives, takes] => {
                let row = *self.rows.get(name)?;
                self.seen[row] += seen.parse::<u64>().ok()?;
                self.gives[row] |= gives.parse::<u64>().ok()?;
                self.takes[row] |= takes.parse::<u64>().ok()?;
            }
            ["pair", a, b, n] => {
                let pair = (*self.rows.get(a)?, *self.rows.get(b)?);
                *self.pairs.entry(pair).or_default() += n.parse::<u64>().ok()?;
            }
            ["nodes", nodes, graphs] => {
                *self.nodes.entry(nodes.parse().ok()?).or_default() += graphs.parse::<u64>().ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}
