//! The report, which is one HTML file that needs no other.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::plot::DrawError;
use super::plots::{self, Figure};
use super::table::{COLUMNS, latency};
use super::{Comparison, Threshold};
use crate::units::{show_count, show_rate};

/// The style sheet. Plots have their colours as attributes, which a style sheet overrides, so the same drawings serve
/// a light and a dark page.
const STYLE: &str = include_str!("../theme.css");

/// The colours of the drawings, with their names in the style sheet.
const COLORS: [(RGBColor, &str); 11] = [
    (super::plot::INK, "fg"),
    (super::plot::GRID, "grid"),
    (super::plot::BURST, "burst"),
    (super::plot::OFFERED, "offered"),
    (super::plot::BLUE, "blue"),
    (super::plot::ORANGE, "orange"),
    (super::plot::GREEN, "green"),
    (super::plot::RED, "red"),
    (super::plot::PINK, "pink"),
    (super::plot::SKY, "sky"),
    (super::plot::YELLOW, "yellow"),
];

/// Returns the report as HTML. It needs no network and no other file.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn page(comparison: &Comparison) -> Result<String, DrawError> {
    let mut html = String::new();
    let title = escaped(&comparison.command);
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}"
    );
    for (color, name) in COLORS {
        let hex = hex(color);
        let _ = writeln!(
            html,
            "svg [fill=\"{hex}\"] {{ fill: var(--{name}); }} svg [stroke=\"{hex}\"] {{ stroke: \
             var(--{name}); }}"
        );
    }
    let _ = writeln!(html, "</style>\n</head>\n<body>\n<h1>The same trace under each policy</h1>");
    command(&mut html, &comparison.command);
    if let Some(choice) = comparison.choice() {
        let (policy, why) = (escaped(&choice.policy), escaped(&choice.why));
        let _ = writeln!(html, "<p class=\"choice\">Choose <b>{policy}</b>: {why}.</p>");
    }
    if let Some(why) = &comparison.incomplete {
        let _ =
            writeln!(html, "<p class=\"incomplete\">Not all runs are here: {}.</p>", escaped(why));
    }
    summary(&mut html, comparison);
    section(
        &mut html,
        "Latency over time",
        Some("From the scheduled time of a record to its result, by that scheduled time."),
    );
    let latencies = plots::latencies(comparison)?;
    draw(&mut html, &latencies);
    section(
        &mut html,
        "Rates and backlog",
        Some(
            "Records per second: offered, when they were scheduled; done, when and where their results were \
             made. All rates have the same scale; each backlog has its own.",
        ),
    );
    plots::flows(comparison)?.iter().for_each(|figure| draw(&mut html, figure));
    section(
        &mut html,
        "Latency by where the result was made",
        Some("The share of the records that took longer than a latency."),
    );
    let tails = plots::tails(comparison)?;
    legend(&mut html, &tails.legend);
    let _ = writeln!(html, "<div class=\"pair\">");
    for figure in &tails.figures {
        let _ = writeln!(html, "<div>");
        draw(&mut html, figure);
        let _ = writeln!(html, "</div>");
    }
    let _ = writeln!(html, "</div>");
    section(&mut html, "Cost over time", None);
    draw(&mut html, &plots::costs(comparison)?);
    section(&mut html, "The runs", Some("Each of these commands repeats one of them."));
    for compared in &comparison.policies {
        command(&mut html, &compared.command);
    }
    let _ = writeln!(html, "</body>\n</html>");
    Ok(html)
}

/// Writes the table, and the notes that explain it.
fn summary(html: &mut String, comparison: &Comparison) {
    let rows = comparison.figures();
    let chosen = comparison.choice().map(|choice| choice.policy);
    let columns: Vec<_> = COLUMNS
        .iter()
        .map(|(name, show)| {
            let cells: Vec<String> = rows.iter().map(|(_, figures)| show(figures)).collect();
            (*name, cells)
        })
        .filter(|(_, cells)| cells.iter().any(|cell| cell != "-"))
        .collect();
    let _ = writeln!(html, "<div class=\"wide\"><table>\n<tr><th>policy</th>");
    for (name, _) in &columns {
        let _ = write!(html, "<th>{name}</th>");
    }
    let _ = writeln!(html, "</tr>");
    for (row, (policy, _)) in rows.iter().enumerate() {
        let class = if chosen.as_ref() == Some(policy) { " class=\"chosen\"" } else { "" };
        let _ = write!(html, "<tr{class}><td>{}</td>", escaped(policy));
        for (_, cells) in &columns {
            let _ = write!(html, "<td>{}</td>", escaped(&cells[row]));
        }
        let _ = writeln!(html, "</tr>");
    }
    let _ = writeln!(html, "</table></div>");
    let mut notes = vec![format!("Made {}.", comparison.provenance)];
    notes.push(if comparison.burst.is_empty() {
        "Latencies are of the whole run.".to_owned()
    } else {
        "Latencies are of what was scheduled during the burst, which is shaded in the plots: while the \
         rate is above the mean of its lowest and its highest."
            .to_owned()
    });
    if let Some(about) = comparison.about_optimum() {
        notes.push(format!("\u{201c}Of optimum\u{201d} is {about}."));
    }
    notes.push(match comparison.rounds {
        0 | 1 => "One run of each policy.".to_owned(),
        rounds => {
            format!("Medians of {rounds} rounds; the plots show the run with the median p99.")
        }
    });
    notes.push(format!(
        "A result is due {} after the scheduled time of its record.",
        latency(comparison.deadline_ms)
    ));
    if let Some(Threshold { eps, measured }) = comparison.threshold {
        let how = if measured {
            ", nine tenths of what the workers can do, as measured first"
        } else {
            ""
        };
        notes.push(format!("The threshold is {} events per second{how}.", show_rate(eps)));
    }
    let rates = rows.iter().filter_map(|(_, figures)| figures.true_rate_eps);
    if let Some(rate) = rates.max_by(f64::total_cmp) {
        let rate = show_count(rate.round() as u64);
        notes.push(format!("While busy, the workers do up to {rate} records per second."));
    }
    let lambdas = comparison.policies.iter().flat_map(|compared| &compared.rounds);
    if let Some(model) = lambdas.filter_map(|run| run.summary.get("lambda")?.as_str()).next() {
        notes.push(format!("The remote side is the local Lambda: {model}."));
    }
    let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(&notes.join(" ")));
}

/// Writes a command. Its lines break between words only; without the spans, a browser breaks them after hyphens too.
fn command(html: &mut String, command: &str) {
    let words = command.split(' ').map(|word| format!("<span>{}</span>", escaped(word)));
    let _ = writeln!(html, "<pre>{}</pre>", words.collect::<Vec<_>>().join(" "));
}

fn section(html: &mut String, title: &str, note: Option<&str>) {
    let _ = writeln!(html, "<h2>{title}</h2>");
    if let Some(note) = note {
        let _ = writeln!(html, "<p class=\"note\">{note}</p>");
    }
}

fn draw(html: &mut String, figure: &Figure) {
    let _ = writeln!(html, "<h3>{}</h3>", escaped(&figure.title));
    legend(html, &figure.legend);
    figure.svgs.iter().for_each(|svg| html.push_str(svg));
}

fn legend(html: &mut String, entries: &[(RGBColor, String)]) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(html, "<div class=\"legend\">");
    for (color, what) in entries {
        let name = COLORS.iter().find(|(known, _)| known == color).map_or("fg", |(_, name)| name);
        let what = escaped(what);
        let _ = writeln!(html, "<span><i style=\"background:var(--{name})\"></i>{what}</span>");
    }
    let _ = writeln!(html, "</div>");
}

pub(super) fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
