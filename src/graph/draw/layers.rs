//! Which layer each box stands in, and the bends of edges that pass layers.

use super::{Kind, Sketch};

/// Edges that pass more layers than this are drawn without bends, so that the
/// picture stays linear in the graph.
const BENDS: usize = 24;

/// Something that takes room in a layer: a box, or a bend of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A box.
    Box(usize),
    /// Where this edge passes the layer.
    Bend(usize),
}

/// Boxes and bends in layers, and who is whose neighbour.
pub(super) struct Layers {
    /// Every item: boxes first, in order, then bends.
    pub items: Vec<Item>,
    /// Layer of each item.
    pub layer: Vec<usize>,
    /// Items above that an item hangs on, and items below that hang on it.
    pub above: Vec<Vec<usize>>,
    /// The other way round.
    pub below: Vec<Vec<usize>>,
    /// For each edge the items it goes through, both ends counted.
    pub paths: Vec<Vec<usize>>,
}

pub(super) fn layers(sketch: &Sketch) -> Layers {
    let n = sketch.boxes.len();
    let mut layer = vec![0usize; n];
    // Edges go from earlier boxes to later ones, in the order of the latter.
    for edge in &sketch.edges {
        layer[edge.to] = layer[edge.to].max(layer[edge.from] + 1);
    }
    // What has no operands stands right above the first box that uses it.
    let mut first = vec![usize::MAX; n];
    for edge in &sketch.edges {
        first[edge.from] = first[edge.from].min(layer[edge.to]);
    }
    let mut fed = vec![false; n];
    for edge in &sketch.edges {
        fed[edge.to] = true;
    }
    for (b, shape) in sketch.boxes.iter().enumerate() {
        if !fed[b] && shape.kind != Kind::Output && first[b] != usize::MAX {
            layer[b] = first[b] - 1;
        }
    }
    let mut made = Layers {
        items: (0..n).map(Item::Box).collect(),
        layer,
        above: vec![Vec::new(); n],
        below: vec![Vec::new(); n],
        paths: Vec::with_capacity(sketch.edges.len()),
    };
    for (e, edge) in sketch.edges.iter().enumerate() {
        let mut path = vec![edge.from];
        let (top, bottom) = (made.layer[edge.from], made.layer[edge.to]);
        if bottom - top <= BENDS {
            for layer in top + 1..bottom {
                path.push(made.items.len());
                made.items.push(Item::Bend(e));
                made.layer.push(layer);
                made.above.push(Vec::new());
                made.below.push(Vec::new());
            }
        }
        path.push(edge.to);
        for pair in path.windows(2) {
            made.below[pair[0]].push(pair[1]);
            made.above[pair[1]].push(pair[0]);
        }
        made.paths.push(path);
    }
    made
}
