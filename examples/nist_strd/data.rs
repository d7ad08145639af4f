//! A data file of the Statistical Reference Datasets: the header says on which
//! lines the starting values, the certified values and the data are.

use crate::fault::Trouble;
use std::ops::RangeInclusive;

/// What a file says, before its formula is understood.
#[derive(Debug)]
pub struct DataSet {
    /// Lines of the formula, with their numbers.
    pub formula: Vec<(usize, String)>,
    pub parameters: Vec<Parameter>,
    /// Sum of squared residuals at the certified parameters, if given.
    pub certified_rss: Option<f64>,
    /// Names of the columns, the response first.
    pub columns: Vec<String>,
    /// Rows of the data, as the columns are.
    pub rows: Vec<Row>,
}

/// One parameter of the model.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub starts: [f64; 2],
    pub certified: f64,
}

/// One observation.
#[derive(Debug)]
pub struct Row {
    pub line: usize,
    pub numbers: Vec<f64>,
}

/// Reads a file from its text.
pub fn read(text: &str) -> Result<DataSet, Trouble> {
    let lines: Vec<&str> = text.lines().collect();
    let starting = section(&lines, "starting values")?;
    let certified = section(&lines, "certified values")?;
    let data = section(&lines, "data")?;

    let parameters = parameters(&lines, starting.clone())?;
    let formula = formula(&lines, *starting.start())?;
    let mut rows = rows(&lines, data.clone())?;
    let mut columns = columns(&lines, *data.start(), rows[0].numbers.len());
    if let Some(response) = columns.iter().position(|name| name == "y") {
        columns[..=response].rotate_right(1);
        rows.iter_mut().for_each(|row| row.numbers[..=response].rotate_right(1));
    }
    let certified_rss = match find(&lines, certified.clone(), "residual sum of squares") {
        Some((line, rest)) => Some(number(line, rest.trim_matches([':', ' ', '\t']))?),
        None => None,
    };

    agree(&lines, "number of observations:", rows.len(), "rows of data")?;
    agree(&lines, "parameters (", parameters.len(), "starting values")?;
    if rows.len() < parameters.len() {
        let text = format!("{} observations cannot determine {} parameters", rows.len(), parameters.len());
        return Err(Trouble::at(*data.start(), text));
    }
    Ok(DataSet { formula, parameters, certified_rss, columns, rows })
}

/// The first line of a range that starts with a key, whatever its case, and what follows the key there.
fn find<'a>(lines: &[&'a str], range: RangeInclusive<usize>, key: &str) -> Option<(usize, &'a str)> {
    range.filter_map(|line| Some((line, lines.get(line.checked_sub(1)?)?.trim()))).find_map(|(line, text)| {
        let head = text.get(..key.len())?;
        head.eq_ignore_ascii_case(key).then(|| (line, &text[key.len()..]))
    })
}

/// The lines `A to B` that the header names for a section.
fn section(lines: &[&str], key: &str) -> Result<RangeInclusive<usize>, Trouble> {
    let mut from = 1;
    while let Some((line, rest)) = find(lines, from..=lines.len(), key) {
        from = line + 1;
        let rest = rest.trim_start().to_ascii_lowercase();
        let Some(range) = rest.strip_prefix("(line") else { continue };
        let ends: Vec<usize> =
            range.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        return match ends[..] {
            [a, b] if 0 < a && a <= b && b <= lines.len() => Ok(a..=b),
            [a, b] => {
                let text = format!("{key} at lines {a} to {b} of a file that has {}", lines.len());
                Err(Trouble::at(line, text))
            }
            _ => Err(Trouble::at(line, format!("expected '(lines A to B)' after '{key}'"))),
        };
    }
    Err(Trouble::new(format!("the header has no line '{key} (lines A to B)'")))
}

/// Lines such as `b1 = start1 start2 certified deviation`.
fn parameters(lines: &[&str], range: RangeInclusive<usize>) -> Result<Vec<Parameter>, Trouble> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for line in range {
        let Some((name, rest)) = lines[line - 1].split_once('=') else {
            return Err(Trouble::at(line, "expected a parameter: 'b1 = start1 start2 certified deviation'"));
        };
        let name = name.trim().to_ascii_lowercase();
        let numbers = numbers(line, rest)?;
        let &[start1, start2, certified, ..] = &numbers[..] else {
            let text =
                format!("parameter {name} has {} numbers, expected two starts and a value", numbers.len());
            return Err(Trouble::at(line, text));
        };
        if parameters.iter().any(|p| p.name == name) {
            return Err(Trouble::at(line, format!("parameter {name} is given twice")));
        }
        parameters.push(Parameter { name, starts: [start1, start2], certified });
    }
    Ok(parameters)
}

/// The lines from the first equation after `Model:` to the starting values.
fn formula(lines: &[&str], end: usize) -> Result<Vec<(usize, String)>, Trouble> {
    let Some((model, _)) = find(lines, 1..=end, "model:") else {
        return Err(Trouble::new("no line 'Model:' before the starting values"));
    };
    let end = find(lines, model + 1..=end, "starting values").map_or(end, |(line, _)| line);
    let formula: Vec<(usize, String)> = (model + 1..end)
        .map(|line| (line, lines[line - 1].trim().to_ascii_lowercase()))
        .skip_while(|(_, text)| !text.contains('='))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    if formula.is_empty() {
        return Err(Trouble::at(model, "no equation follows 'Model:'"));
    }
    Ok(formula)
}

fn rows(lines: &[&str], range: RangeInclusive<usize>) -> Result<Vec<Row>, Trouble> {
    let mut rows: Vec<Row> = Vec::new();
    for line in range {
        let numbers = numbers(line, lines[line - 1])?;
        let expected = rows.first().map_or(2.max(numbers.len()), |row| row.numbers.len());
        if numbers.len() != expected {
            let text = format!("a row of {} numbers, expected {expected}", numbers.len());
            return Err(Trouble::at(line, text));
        }
        rows.push(Row { line, numbers });
    }
    Ok(rows)
}

/// Names from the line `Data: y x1 x2` above the data, or names by custom.
fn columns(lines: &[&str], start: usize, count: usize) -> Vec<String> {
    let above = (1..start).rev().map(|line| lines[line - 1].trim()).find(|text| !text.is_empty());
    let named = above.and_then(|text| text.strip_prefix("Data:")).unwrap_or_default();
    let named: Vec<String> = named.split_whitespace().map(str::to_ascii_lowercase).collect();
    if named.len() == count {
        return named;
    }
    let predictor = |i: usize| if count == 2 { "x".to_owned() } else { format!("x{i}") };
    std::iter::once("y".to_owned()).chain((1..count).map(predictor)).collect()
}

/// A file that contradicts itself was cut or edited: better an error than a fit to part of the data.
fn agree(lines: &[&str], key: &str, got: usize, what: &str) -> Result<(), Trouble> {
    for (i, text) in lines.iter().enumerate() {
        let text = text.to_ascii_lowercase();
        let Some((before, after)) = text.split_once(key) else { continue };
        let count = if key.ends_with(':') { after } else { before };
        match count.trim().parse::<usize>() {
            Ok(count) if count != got => {
                return Err(Trouble::at(i + 1, format!("the file says {count}, but has {got} {what}")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn numbers(line: usize, text: &str) -> Result<Vec<f64>, Trouble> {
    text.split_whitespace().map(|word| number(line, word)).collect()
}

/// A finite number; Fortran's `1.5D+3` too.
pub fn number(line: usize, word: &str) -> Result<f64, Trouble> {
    let text = word.replace(['d', 'D'], "e");
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Trouble::at(line, format!("'{word}' is not a finite number"))),
    }
}
