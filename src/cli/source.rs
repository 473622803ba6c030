//! `--source`: the source of the records.

use std::str::FromStr;
use std::sync::Arc;

use super::args::{EventArgs, RunArgs};
use super::settings::{parse, parse_some};
use super::{UsageError, kafka, key_values};
use crate::nexmark::Config;
use crate::source::{Input, Nexmark, Source, path_of};
use crate::units::parse_share;

/// A kind of source on the command line.
struct Form {
    /// What its values begin with.
    prefix: &'static str,
    /// Its values, as an error names them.
    values: &'static str,
    /// Parses what follows the prefix. Returns none if the value is none of this kind.
    parse: fn(&RunArgs, &str) -> Result<Option<Arc<dyn Source>>, UsageError>,
}

/// All kinds of sources.
const FORMS: [Form; 3] = [
    Form { prefix: "nexmark", values: "nexmark", parse: nexmark },
    Form {
        prefix: "lines:",
        values: "lines:PATH (a file, or a glob), lines:- for standard input",
        parse: lines,
    },
    Form { prefix: "kafka:", values: "kafka://HOST:PORT/TOPIC", parse: kafka::source },
];

/// Parses the option.
pub(super) fn source(args: &RunArgs) -> Result<Arc<dyn Source>, UsageError> {
    let given = args.source.as_deref().unwrap_or("nexmark");
    for form in &FORMS {
        if let Some(rest) = given.strip_prefix(form.prefix)
            && let Some(source) = (form.parse)(args, rest)?
        {
            return Ok(source);
        }
    }
    let [first @ .., last] = FORMS.map(|form| form.values);
    Err(UsageError::new("--source", given, format!("expected {}, or {last}", first.join(", "))))
}

fn nexmark(args: &RunArgs, rest: &str) -> Result<Option<Arc<dyn Source>>, UsageError> {
    if !rest.is_empty() {
        return Ok(None);
    }
    refuse_follow(args)?;
    let (config, seed) = generator(&args.events)?;
    let skew = parse_some("--skew", args.skew.as_ref(), parse_share)?;
    Ok(Some(Arc::new(Nexmark { config, seed, skew })))
}

fn lines(args: &RunArgs, rest: &str) -> Result<Option<Arc<dyn Source>>, UsageError> {
    let input = match rest {
        "" => return Ok(None),
        "-" => {
            refuse_follow(args)?;
            Input::Stdin
        }
        path => Input::Files { path: path_of(path), follow: args.follow },
    };
    refuse_generator(args)?;
    Ok(Some(Arc::new(input)))
}

/// Parses the options of Nexmark's generator, and its seed.
pub(super) fn generator(args: &EventArgs) -> Result<(Config, u64), UsageError> {
    let mut config = Config::default();
    key_values::set_each("--nexmark", args.nexmark.as_ref(), |key, value| config.set(key, value))?;
    Ok((config, parse("--seed", args.seed.as_ref(), 1, u64::from_str)?))
}

/// Refuses the options of the generator for a source that has none.
pub(super) fn refuse_generator(args: &RunArgs) -> Result<(), UsageError> {
    let events = &args.events;
    for (option, given) in
        [("--nexmark", &events.nexmark), ("--seed", &events.seed), ("--skew", &args.skew)]
    {
        if let Some(value) = given {
            return Err(UsageError::new(option, value, "is for --source nexmark"));
        }
    }
    Ok(())
}

fn refuse_follow(args: &RunArgs) -> Result<(), UsageError> {
    if args.follow {
        let given = args.source.as_deref().unwrap_or("nexmark");
        let why = "--follow needs lines:PATH, a file that can grow";
        return Err(UsageError::new("--source", given, why));
    }
    Ok(())
}
