//! A picture of the burst for documents, which is one SVG without a style sheet.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::Comparison;
use super::page::{escaped, hex};
use super::plot::DrawError;
use super::plots;

/// The height of the text above each plot.
const TEXT: u32 = 52;

/// Draws the rates under the policy that the comparison chooses, or under the first one, and the p99 of all policies.
/// Returns none if no run was finished.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn picture(comparison: &Comparison) -> Result<Option<String>, DrawError> {
    let flows = plots::flows(comparison)?;
    let chosen = comparison.choice().map(|choice| choice.policy);
    let flow = flows.iter().find(|flow| Some(&flow.title) == chosen.as_ref()).or(flows.first());
    let Some(flow) = flow else { return Ok(None) };
    let latencies = plots::latencies(comparison)?;
    let mut parts = Vec::new();
    // The picture has no backlogs, which the legend of the report names after a semicolon.
    let legend = flow.legend.iter().map(|(color, what)| (*color, before_semicolon(what)));
    let title = format!("Events per second under the policy {}", flow.title);
    parts.push((title, legend.collect(), &flow.svgs[0]));
    let legend = latencies.legend.iter().map(|(color, what)| (*color, what.as_str()));
    parts.push(("p99 of the latency, by policy".to_owned(), legend.collect(), &latencies.svgs[0]));
    Ok(Some(stacked(&parts)))
}

fn before_semicolon(text: &str) -> &str {
    text.split_once(';').map_or(text, |(before, _)| before)
}

/// A title, a legend and a plot.
type Part<'a> = (String, Vec<(RGBColor, &'a str)>, &'a String);

/// Puts the plots below each other, each with its title and its legend.
fn stacked(parts: &[Part]) -> String {
    let mut body = String::new();
    let mut y = 0;
    for (title, legend, svg) in parts {
        let _ = writeln!(
            body,
            "<text x=\"12\" y=\"{}\" font-weight=\"bold\">{}</text>",
            y + 22,
            escaped(title)
        );
        let mut x = 12;
        for (color, what) in legend {
            let _ = writeln!(
                body,
                "<rect x=\"{x}\" y=\"{}\" width=\"22\" height=\"4\" fill=\"{}\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                y + 37,
                hex(*color),
                x + 28,
                y + 43,
                escaped(what)
            );
            // This is wide enough for any sans-serif font.
            x += 48 + 8 * what.chars().count() as u32;
        }
        y += TEXT;
        // A drawing inside another one needs a position.
        body.push_str(&svg.replacen("<svg ", &format!("<svg y=\"{y}\" "), 1));
        y += height(svg);
    }
    let width = plots::WIDTH;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{y}\" viewBox=\"0 0 {width} {y}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"{width}\" height=\"{y}\" fill=\"#FFFFFF\"/>\n{body}</svg>\n"
    )
}

/// Returns the height of a drawing.
fn height(svg: &str) -> u32 {
    let number = svg.split_once("height=\"").and_then(|(_, rest)| rest.split_once('"'));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}
