//! The picture: how many times slower than the best hand-written gradient each
//! engine is, on a logarithmic scale.

use crate::machine;
use crate::standings::{OURS, Row, is_hand};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 760;
const ROW: u32 = 22;
const HEAD: u32 = 92;
const FOOT: u32 = 44;
/// Where the names end and the scale begins, and where it ends.
const LEFT: i32 = 116;
const RIGHT: i32 = 736;
const GRID: RGBColor = RGBColor(224, 224, 224);
/// Ours first; peers take the others in turn.
const COLOURS: [RGBColor; 7] = [
    RGBColor(200, 60, 40),
    RGBColor(235, 150, 60),
    RGBColor(70, 110, 170),
    RGBColor(70, 150, 90),
    RGBColor(130, 90, 160),
    RGBColor(90, 90, 90),
    RGBColor(60, 160, 170),
];

fn colour(peer: usize) -> RGBColor {
    COLOURS[peer % COLOURS.len()]
}

/// Decades of ratios, left to right.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(ratios: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = ratios.fold((0.5f64, 5f64), |(l, h), r| (l.min(r), h.max(r)));
        Scale { low: (low / 1.15).log10(), high: (high * 1.15).log10() }
    }

    fn x(&self, ratio: f64) -> i32 {
        let part = (ratio.log10() - self.low) / (self.high - self.low);
        LEFT + (part * f64::from(RIGHT - LEFT)).round() as i32
    }

    /// 1, 2, 5 of every decade in range.
    fn ticks(&self) -> Vec<f64> {
        let decades = self.low.floor() as i32..=self.high.ceil() as i32;
        let all = decades.flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(d)));
        all.filter(|t| (self.low..=self.high).contains(&t.log10())).collect()
    }
}

/// Writes the picture of the engines other than tape and hand; nothing where there is no row.
pub fn draw(path: &Path, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    if rows.is_empty() {
        return Ok(());
    }
    let shown = |peer: &&str| !is_hand(peer) && !peer.ends_with("tape");
    let all: BTreeSet<&str> = rows.iter().flat_map(|r| r.scores.keys().map(String::as_str)).collect();
    let (ours, others): (Vec<&str>, Vec<&str>) =
        all.into_iter().filter(shown).partition(|peer| peer.starts_with(OURS));
    let peers: Vec<&str> = ours.into_iter().chain(others).collect();
    let scale = Scale::of(rows.iter().flat_map(|r| peers.iter().filter_map(|p| r.ratio(p))));
    let height = HEAD + FOOT + ROW * rows.len() as u32;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    head(&root, &peers)?;
    let bottom = (height - FOOT) as i32;
    let middle = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
    for tick in scale.ticks() {
        let (x, colour) = (scale.x(tick), if tick == 1.0 { BLACK } else { GRID });
        root.draw(&PathElement::new([(x, HEAD as i32), (x, bottom)], colour))?;
        root.draw_text(&tick.to_string(), &middle, (x, bottom + 5))?;
    }
    let note = "times the best hand-written gradient (C++, fast math); left of 1 is faster";
    root.draw_text(note, &middle, ((LEFT + RIGHT) / 2, bottom + 22))?;
    let right = ("sans-serif", 15).into_font().color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
    for (i, row) in rows.iter().enumerate() {
        let y = (HEAD + ROW * i as u32 + ROW / 2) as i32;
        root.draw_text(&row.name, &right, (LEFT - 10, y))?;
        root.draw(&PathElement::new([(LEFT, y), (RIGHT, y)], GRID))?;
        // Ours last, on top.
        for (i, peer) in peers.iter().enumerate().rev() {
            if let Some(ratio) = row.ratio(peer) {
                root.draw(&Circle::new((scale.x(ratio), y), 5, colour(i).filled()))?;
            }
        }
    }
    root.present()?;
    Ok(())
}

/// Title, machine, and which colour is whose.
fn head(root: &Area<'_>, peers: &[&str]) -> Result<(), Box<dyn Error>> {
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    root.draw_text("Value and gradient, one thread", &text(21), (16, 12))?;
    root.draw_text(&machine::describe(), &text(14), (16, 38))?;
    let mut x = 22;
    for (i, peer) in peers.iter().enumerate() {
        root.draw(&Circle::new((x, 68), 5, colour(i).filled()))?;
        root.draw_text(peer, &text(15), (x + 10, 61))?;
        x += 34 + 7 * peer.len() as i32;
    }
    Ok(())
}
