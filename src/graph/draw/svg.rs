//! The picture as text.

use super::place::{GLYPH, LINE, Placed};
use super::{Kind, Sketch};
use std::fmt::Write;

const STYLE: &str = "text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1b1b1b; } \
.head { font-weight: bold; } .type { fill: #5a5a5a; } .label { font-size: 10px; fill: #7a7a7a; } \
.edge { fill: none; stroke: #8a8a8a; stroke-width: 1.2; } \
.input { fill: #e3f0e3; stroke: #5f915f; } .constant { fill: #f4efdf; stroke: #a8985f; } \
.op { fill: #e8edf6; stroke: #5c74a3; } .output { fill: #f6e4e4; stroke: #a86464; }";

/// Text of a name inside XML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn write(sketch: &Sketch, placed: &Placed) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    _ = draw(&mut out, sketch, placed);
    out
}

fn draw(out: &mut String, sketch: &Sketch, placed: &Placed) -> std::fmt::Result {
    let (width, height) = placed.size;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#8a8a8a\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    )?;
    for (edge, path) in sketch.edges.iter().zip(&placed.ordered.layers.paths) {
        self::edge(out, placed, edge.to, path)?;
        if let (false, Some(&from)) = (edge.label.is_empty(), path.first()) {
            let (x, y) = (placed.x[from], placed.y[from] + placed.height[from] + 12.0);
            let towards = path.get(1).map_or(x, |&next| placed.x[next]);
            let x = x + (towards - x).clamp(-30.0, 30.0);
            writeln!(out, "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(&edge.label))?;
        }
    }
    for (b, shape) in sketch.boxes.iter().enumerate() {
        let (class, radius) = match shape.kind {
            Kind::Input => ("input", 12.0),
            Kind::Constant => ("constant", 12.0),
            Kind::Op => ("op", 3.0),
            Kind::Output => ("output", 12.0),
        };
        let (w, h) = (placed.width[b], placed.height[b]);
        let (left, top) = (placed.x[b] - w / 2.0, placed.y[b]);
        writeln!(
            out,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{radius}\"/>"
        )?;
        for (i, line) in shape.lines.iter().enumerate() {
            let class = if i == 0 { "head" } else { "type" };
            let (x, y) = (placed.x[b], top + LINE * (i as f64 + 1.0));
            let length = line.chars().count() as f64 * GLYPH;
            writeln!(
                out,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" textLength=\"{length:.1}\">{}</text>",
                escape(line)
            )?;
        }
    }
    out.push_str("</svg>\n");
    Ok(())
}

/// A curve from the bottom of one box to the top of another, through its bends.
fn edge(out: &mut String, placed: &Placed, to: usize, path: &[usize]) -> std::fmt::Result {
    let Some((&from, rest)) = path.split_first() else { return Ok(()) };
    let (mut x, mut y) = (placed.x[from], placed.y[from] + placed.height[from]);
    write!(out, "<path class=\"edge\" marker-end=\"url(#arrow)\" d=\"M{x:.1},{y:.1}")?;
    for &next in rest {
        let end = if next == to { entry(placed, to, path) } else { placed.x[next] };
        let bottom = placed.y[next];
        let middle = (y + bottom) / 2.0;
        write!(out, " C{x:.1},{middle:.1} {end:.1},{middle:.1} {end:.1},{bottom:.1}")?;
        (x, y) = (end, bottom);
    }
    out.push_str("\"/>\n");
    Ok(())
}

/// Where an edge enters a box: operands side by side, in order.
fn entry(placed: &Placed, to: usize, path: &[usize]) -> f64 {
    let last = path.len().checked_sub(2).map(|i| path[i]);
    let above = &placed.ordered.layers.above[to];
    let n = above.len();
    let at = above.iter().position(|&m| Some(m) == last).unwrap_or(0);
    let room = (placed.width[to] - 24.0).min(18.0 * (n.saturating_sub(1)) as f64).max(0.0);
    let part = if n > 1 { at as f64 / (n - 1) as f64 - 0.5 } else { 0.0 };
    placed.x[to] + room * part
}
