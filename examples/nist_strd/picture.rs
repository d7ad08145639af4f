//! The picture: a grid of small plots, one per problem.

use crate::Outcome;
use crate::model::{Model, ModelError};
use crate::problem::Problem;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

/// Size of one plot in pixels.
const CELL: (u32, u32) = (320, 240);
/// Height of a title, and width of what stands left of the axis.
const HEAD: u32 = 26;
const LEFT: u32 = 52;
const DATA: RGBColor = RGBColor(70, 110, 170);
const CURVE: RGBColor = RGBColor(200, 60, 40);
const GRID: RGBColor = RGBColor(232, 232, 232);
const CURVE_POINTS: usize = 400;

/// What one plot shows.
#[derive(Debug)]
pub struct Plot {
    points: Vec<(f64, f64)>,
    /// The fitted curve in pieces: it is broken where it leaves the picture.
    curve: Vec<Vec<(f64, f64)>>,
    x: Range<f64>,
    y: Range<f64>,
    labels: [String; 2],
}

impl Plot {
    /// Response against the predictor; with several predictors, observed against fitted.
    pub fn new(problem: &Problem, model: &mut Model, b: &[f64]) -> Result<Plot, ModelError> {
        let mut db = vec![0.0; b.len()];
        let mut value = |x: &[f64]| model.value_and_grad(b, x, &mut db);
        let response = problem.formula.response_text.clone();
        let (points, line, labels);
        if let [name] = &problem.predictors[..] {
            let data = problem.observations.iter().filter_map(|o| Some((*o.x.first()?, o.y)));
            points = data.collect::<Vec<_>>();
            let over = extent(points.iter().map(|p| p.0), 0.0);
            let at = |i: usize| over.start + (over.end - over.start) * i as f64 / (CURVE_POINTS - 1) as f64;
            let curve = (0..CURVE_POINTS).map(|i| Ok((at(i), value(&[at(i)])?)));
            line = curve.collect::<Result<Vec<_>, ModelError>>()?;
            labels = [name.clone(), response];
        } else {
            let pairs = problem.observations.iter().map(|o| Ok((value(&o.x)?, o.y)));
            points = pairs.collect::<Result<Vec<_>, ModelError>>()?;
            let over = extent(points.iter().map(|p| p.0), 0.0);
            line = vec![(over.start, over.start), (over.end, over.end)];
            labels = [format!("{response}, fitted"), response];
        }
        let x = extent(points.iter().map(|p| p.0), 0.04);
        let near = extent(points.iter().map(|p| p.1), 0.4);
        let shown = line.iter().filter(|p| near.contains(&p.1));
        let y = extent(points.iter().chain(shown).map(|p| p.1), 0.08);
        let inside = |p: &(f64, f64)| y.contains(&p.1);
        let curve = line.split(|p| !inside(p)).filter(|piece| piece.len() > 1).map(<[_]>::to_vec).collect();
        Ok(Plot { points, curve, x, y, labels })
    }
}

/// The range of finite numbers, widened by a share of itself; never empty.
fn extent(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let room = if low < high { (high - low) * margin } else { low.abs().max(1.0) / 2.0 };
    low - room..high + room
}

/// Writes the picture.
pub fn draw(path: &Path, outcomes: &[(Problem, Outcome)]) -> Result<(), Box<dyn Error>> {
    if outcomes.is_empty() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let columns = (outcomes.len() as f64).sqrt().ceil().clamp(1.0, 5.0) as usize;
    let rows = outcomes.len().div_ceil(columns);
    let size = (CELL.0 * columns as u32, CELL.1 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (cell, (problem, outcome)) in root.split_evenly((rows, columns)).iter().zip(outcomes) {
        plot(cell, &title(problem, outcome), &outcome.plot)?;
    }
    root.present()?;
    Ok(())
}

/// The name, and the digits that parameters and sum of squares share with the certified ones.
fn title(problem: &Problem, outcome: &Outcome) -> String {
    let Some(best) = outcome.best() else { return problem.name.clone() };
    let rss = problem.rss_digits(best.rss).map_or(String::new(), |digits| format!(", residuals {digits:.1}"));
    format!("{}: digits of b {:.1}{rss}", problem.name, problem.digits(&best.b))
}

type Cell<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn plot(cell: &Cell<'_>, title: &str, plot: &Plot) -> Result<(), Box<dyn Error>> {
    let font = |size: i32| ("sans-serif", size).into_font();
    let (head, body) = cell.split_vertically(HEAD);
    head.draw(&Text::new(title.to_owned(), (LEFT as i32, HEAD as i32 - 18), font(14)))?;
    let mut chart = ChartBuilder::on(&body)
        .margin(6)
        .margin_right(18)
        .x_label_area_size(34)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(plot.x.clone(), plot.y.clone())?;
    let [x_label, y_label] = &plot.labels;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(BLACK.mix(0.5))
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|v| short(*v, &plot.x))
        .y_label_formatter(&|v| short(*v, &plot.y))
        .x_desc(x_label)
        .y_desc(y_label)
        .label_style(font(11))
        .axis_desc_style(font(12))
        .draw()?;
    chart.draw_series(plot.points.iter().map(|&p| Circle::new(p, 3, DATA.mix(0.7).stroke_width(1))))?;
    for piece in &plot.curve {
        chart.draw_series(LineSeries::new(piece.iter().copied(), CURVE.stroke_width(2)))?;
    }
    Ok(())
}

/// A tick in as few digits as its range asks for.
fn short(value: f64, range: &Range<f64>) -> String {
    let step = (range.end - range.start) / 10.0;
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
