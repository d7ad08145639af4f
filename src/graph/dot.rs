//! GraphViz output.

use crate::graph::data::Graph;
use std::fmt::Write;

impl Graph {
    /// The graph in GraphViz's `dot` language, drawn top to bottom.
    pub fn to_dot(&self) -> String {
        let mut out = String::from("digraph cotangent {\n  node [shape=box, fontname=\"monospace\"];\n");
        // Writing to a string cannot fail.
        let mut line = |text: std::fmt::Arguments<'_>| _ = out.write_fmt(format_args!("  {text}\n"));
        for (i, input) in self.inputs().iter().enumerate() {
            let ty = self.ty(crate::graph::ValueId::new(i as u32));
            line(format_args!("v{i} [label=\"{}\\n{ty}\", style=rounded];", escape(&input.name)));
        }
        for (id, node) in self.nodes_with_ids() {
            let types: Vec<String> = node.results().map(|v| self.ty(v).to_string()).collect();
            let first = node.result().index();
            line(format_args!("v{first} [label=\"{id} {}\\n{}\"];", node.op.name(), types.join(", ")));
            for &operand in node.operands() {
                // An edge starts at the node that owns the value.
                let from = match self.origin(operand) {
                    crate::graph::Origin::Input(i) => i as usize,
                    crate::graph::Origin::Node(n) => self.node(n).result().index(),
                };
                line(format_args!("v{from} -> v{first};"));
            }
        }
        for (i, &output) in self.outputs().iter().enumerate() {
            let from = match self.origin(output) {
                crate::graph::Origin::Input(i) => i as usize,
                crate::graph::Origin::Node(n) => self.node(n).result().index(),
            };
            line(format_args!("out{i} [label=\"output {i}\", shape=plaintext];"));
            line(format_args!("v{from} -> out{i};"));
        }
        out.push_str("}\n");
        out
    }
}

fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}
