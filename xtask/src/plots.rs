//! `cargo xtask plots FILE`: draws what `capataz bench growth --output json` found, one SVG for
//! each thing that grows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where the drawings go, from the workspace's folder.
const FOLDER: &str = "docs/reference/plots";

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
/// Room for the numbers beside the axes and the title above.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// What is drawn of each point, with its colour.
const LINES: [(&str, &str, &str); 2] = [
    ("cpu_us_per_task", "processor time of the server", "#1f5fa8"),
    ("wall_us_per_task", "time", "#b8860b"),
];

/// One size, and what was measured there, in the order of [`LINES`].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: f64,
    values: [f64; LINES.len()],
}

/// Reads the file that the arguments name, and draws.
///
/// # Errors
///
/// The file is missing or is not what the benchmark prints.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let file = arguments
        .next()
        .context("name the file with the JSON lines")?;
    let text = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    let folder = crate::root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    for (what, points) in read(&text)? {
        let path = folder.join(format!("growth-{what}.svg"));
        write(&path, &draw(&what, &points))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!("plots: {}", path.display());
    Ok(())
}

/// The points of each thing that grows, by size.
fn read(text: &str) -> Result<BTreeMap<String, Vec<Point>>> {
    let mut plots: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = || format!("line {number}");
        let value: Value = serde_json::from_str(line).with_context(place)?;
        let what = value["what"].as_str().with_context(place)?;
        let plain = what.bytes().all(|byte| byte.is_ascii_lowercase());
        ensure!(plain, "line {number}: {what:?} is no name of a file");
        let number_of = |name: &str| {
            let found = value[name].as_f64().filter(|found| *found >= 0.0);
            found.with_context(|| format!("line {number}: no {name}"))
        };
        let mut values = [0.0; LINES.len()];
        for (place, (name, ..)) in LINES.iter().enumerate() {
            values[place] = number_of(name)?;
        }
        let at = number_of("at")?;
        ensure!(at >= 1.0, "line {number}: nothing can be drawn at {at}");
        plots
            .entry(what.to_owned())
            .or_default()
            .push(Point { at, values });
    }
    for points in plots.values_mut() {
        points.sort_by(|a, b| a.at.total_cmp(&b.at));
    }
    Ok(plots)
}

/// From a size and a value to a place in the drawing.
struct Scale {
    first: f64,
    decades: f64,
    top: f64,
}

impl Scale {
    fn of(points: &[Point]) -> Scale {
        let sizes = || points.iter().map(|point| point.at.log10());
        let first = sizes().fold(f64::INFINITY, f64::min).floor();
        let last = sizes().fold(f64::NEG_INFINITY, f64::max).ceil();
        let values = points.iter().flat_map(|point| point.values);
        Scale {
            first,
            decades: (last - first).max(1.0),
            top: round_up(values.fold(0.0, f64::max)),
        }
    }

    fn x(&self, at: f64) -> f64 {
        let part = (at.log10() - self.first) / self.decades;
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(10.0 * decade)
}

fn draw(what: &str, points: &[Point]) -> String {
    let scale = Scale::of(points);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">Microseconds a task, by {what}</text>\n"
    );
    draw_axes(&mut svg, &scale, what);
    for (place, (_, label, colour)) in LINES.iter().enumerate() {
        let corners: Vec<(f64, f64)> = points
            .iter()
            .map(|point| (scale.x(point.at), scale.y(point.values[place])))
            .collect();
        draw_line(&mut svg, &corners, colour);
        let x = LEFT + 200.0 * place as f64;
        text(&mut svg, (x, 34.0), "start", colour, label);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_axes(svg: &mut String, scale: &Scale, what: &str) {
    let (floor, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for quarter in 0..=4 {
        let value = scale.top * f64::from(quarter) / 4.0;
        let y = scale.y(value);
        segment(svg, (LEFT, y), (right, y));
        let label = format!("{value}");
        text(svg, (LEFT - 6.0, y + 4.0), "end", "black", &label);
    }
    for decade in 0..=scale.decades as i32 {
        let at = 10f64.powf(scale.first + f64::from(decade));
        let x = scale.x(at);
        segment(svg, (x, TOP), (x, floor));
        text(svg, (x, floor + 18.0), "middle", "black", &short(at));
    }
    let middle = (LEFT + right) / 2.0;
    text(svg, (middle, HEIGHT - 10.0), "middle", "black", what);
}

/// A power of ten, without its zeros.
fn short(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{}M", (number / 1e6).round()),
        number if number >= 1e3 => format!("{}k", (number / 1e3).round()),
        number => format!("{}", number.round()),
    }
}

fn draw_line(svg: &mut String, corners: &[(f64, f64)], colour: &str) {
    let path: Vec<String> = corners
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let path = path.join(" ");
    // Writing to a text cannot fail.
    let _ = writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    for (x, y) in corners {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
        );
    }
}

fn segment(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, label: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{label}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"{"what":"pods","at":10,"cpu_us_per_task":8,"wall_us_per_task":20}
{"what":"pods","at":1,"cpu_us_per_task":4,"wall_us_per_task":40}
"#;

    #[test]
    fn points_are_drawn_in_order_and_inside() {
        let plots = read(TWO).unwrap();
        let points = &plots["pods"];
        assert_eq!((points[0].at, points[1].values), (1.0, [8.0, 20.0]));
        let svg = draw("pods", points);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert_eq!(svg.matches("<polyline").count(), 2);
        let scale = Scale::of(points);
        assert_eq!((scale.x(1.0), scale.x(10.0)), (LEFT, WIDTH - RIGHT));
        assert_eq!((scale.y(0.0), scale.y(50.0)), (HEIGHT - BOTTOM, TOP));
    }

    #[test]
    fn a_line_without_a_figure_is_named() {
        let error = read("{\"what\":\"pods\",\"at\":0}").unwrap_err();
        assert!(error.to_string().starts_with("line 1"), "{error}");
        assert!(read("{\"what\":\"../x\"}").is_err());
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [
            (40.0, 50.0),
            (1.0, 1.0),
            (5.1, 10.0),
            (0.3, 0.5),
            (120.0, 200.0),
        ] {
            assert_eq!(round_up(value), end);
        }
        assert_eq!([short(1.0), short(1e4), short(1e7)], ["1", "10k", "10M"]);
    }
}
