//! Draws one plot: axes and curves. The page maps each colour to one that suits its background.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::policy;

/// The colours of axes and text, of the grid, of the burst in the background, and of the offered rate.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
pub(super) const BURST: RGBColor = RGBColor(0xF1, 0xED, 0xE2);
pub(super) const OFFERED: RGBColor = RGBColor(0x8A, 0x8A, 0x8A);

/// The palette of [`policy::Color`].
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub(super) const RED: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub(super) const PINK: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub(super) const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
pub(super) const YELLOW: RGBColor = RGBColor(0xF0, 0xE4, 0x42);

pub(super) fn rgb(color: policy::Color) -> RGBColor {
    use policy::Color;
    match color {
        Color::Blue => BLUE,
        Color::Orange => ORANGE,
        Color::Green => GREEN,
        Color::Red => RED,
        Color::Pink => PINK,
        Color::Sky => SKY,
        Color::Yellow => YELLOW,
    }
}

/// The reason why a plot could not be drawn. Drawing into a string does not fail.
pub(super) type DrawError = Box<dyn std::error::Error + Send + Sync>;

/// A curve.
#[derive(Clone, Debug, Default)]
pub(super) struct Curve {
    pub color: RGBColor,
    /// Its pieces. A time without a value is a gap between two of them.
    pub pieces: Vec<Vec<(f64, f64)>>,
    /// Whether the area under it is filled.
    pub filled: bool,
    /// Whether it is dashed.
    pub dashed: bool,
}

impl Curve {
    /// Returns a curve through all points that have a value.
    pub(super) fn new(color: RGBColor, points: impl Iterator<Item = (f64, Option<f64>)>) -> Curve {
        let mut pieces = vec![Vec::new()];
        for (x, y) in points {
            match (y, pieces.last_mut()) {
                (Some(y), Some(piece)) => piece.push((x, y)),
                (None, Some(piece)) if !piece.is_empty() => pieces.push(Vec::new()),
                _ => {}
            }
        }
        // A value between two gaps is drawn as a short dash.
        for piece in pieces.iter_mut().filter(|piece| piece.len() == 1) {
            let (x, y) = piece[0];
            piece.push((x + 0.05, y));
        }
        Curve { color, pieces, ..Curve::default() }
    }

    /// Returns a dashed curve with the same value everywhere.
    pub(super) fn level(color: RGBColor, until: f64, value: f64) -> Curve {
        let pieces = vec![vec![(0.0, value), (until, value)]];
        Curve { color, pieces, dashed: true, ..Curve::default() }
    }

    pub(super) fn filled(self) -> Curve {
        Curve { filled: true, ..self }
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.pieces.iter().flatten()
    }
}

/// Returns the range of a logarithmic axis for those `values` that are at least `least`. It is a little wider than
/// these.
pub(super) fn decades<'a>(values: impl Iterator<Item = &'a f64>, least: f64) -> (f64, f64) {
    let values = values.copied().filter(|value| *value >= least);
    let (low, high) =
        values.fold((f64::MAX, least), |(low, high), value| (value.min(low), value.max(high)));
    let low = if low == f64::MAX { high / 10.0 } else { low };
    (low * 0.8, (high * 1.25).max(low * 10.0))
}

/// Returns the y values of all `curves`.
pub(super) fn ys<'a>(curves: impl IntoIterator<Item = &'a Curve>) -> Vec<f64> {
    curves.into_iter().flat_map(|curve| curve.points().map(|(_, y)| *y)).collect()
}

/// An axis: its range, its title, and how its numbers are written.
pub(super) struct Axis<'a, R> {
    pub range: R,
    pub says: &'a str,
    pub show: &'a dyn Fn(&f64) -> String,
    pub labels: usize,
}

/// Draws an SVG of `size` with `curves`, and with shaded `bands` of the x axis behind them.
pub(super) fn draw<X, Y>(
    size: (u32, u32),
    x: Axis<'_, X>,
    y: Axis<'_, Y>,
    bands: &[(f64, f64)],
    y_range: (f64, f64),
    curves: &[Curve],
) -> Result<String, DrawError>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(6)
            .margin_right(18)
            .set_label_area_size(LabelAreaPosition::Left, 72)
            .set_label_area_size(LabelAreaPosition::Bottom, 42)
            .build_cartesian_2d(x.range, y.range)?;
        chart.draw_series(bands.iter().map(|(from, until)| {
            Rectangle::new([(*from, y_range.0), (*until, y_range.1)], BURST.filled())
        }))?;
        let text = ("sans-serif", 14).into_font().color(&INK);
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(text.clone())
            .axis_desc_style(text.pos(Pos::new(HPos::Center, VPos::Center)))
            .x_desc(x.says)
            .y_desc(y.says)
            .x_labels(x.labels)
            .y_labels(y.labels)
            .x_label_formatter(x.show)
            .y_label_formatter(y.show)
            .draw()?;
        for curve in curves {
            for piece in curve.pieces.iter().filter(|piece| piece.len() > 1) {
                let points = piece.iter().copied();
                if curve.filled {
                    let area = AreaSeries::new(points, y_range.0.max(0.0), curve.color.mix(0.25));
                    chart.draw_series(area.border_style(curve.color.stroke_width(1)))?;
                } else if curve.dashed {
                    let style = curve.color.stroke_width(2);
                    chart.draw_series(DashedLineSeries::new(points, 6, 5, style))?;
                } else {
                    chart.draw_series(LineSeries::new(points, curve.color.stroke_width(2)))?;
                }
            }
        }
        root.present()?;
    }
    Ok(svg)
}
