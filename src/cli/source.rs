//! `--source`: the source of the records.

use std::str::FromStr;
use std::sync::Arc;

use super::args::{EventArgs, RunArgs};
use super::form::{self, Form, Parsed};
use super::settings::{parse, parse_some};
use super::{UsageError, kafka, key_values};
use crate::nexmark::Config;
use crate::source::{Input, Nexmark, Source, path_of};
use crate::units::parse_share;

type Parse = fn(&RunArgs, &str) -> Parsed<dyn Source>;

/// All kinds of sources.
const FORMS: [Form<Parse>; 3] = [
    Form { prefix: NEXMARK, values: NEXMARK, help: "", parse: nexmark },
    Form {
        prefix: "lines:",
        values: "lines:PATH, lines:- (standard input)",
        help: "PATH is a file, or a glob such as 'logs/*.gz'. The files of a glob are read in byte order of \
               their paths, and their output lines begin with FILE:LINE. Files compressed with gzip or zstd, \
               whatever their names, are decompressed.",
        parse: lines,
    },
    Form {
        prefix: "kafka:",
        values: "kafka://HOST:PORT/TOPIC",
        help: "Kafka needs a build with the feature `kafka`. A topic is read until Ctrl-C. Options follow the \
               topic after a ?, with & between them: from=latest skips what the topic holds already, \
               until=end stops at its present end, config=FILE names a file of librdkafka properties.",
        parse: kafka::source,
    },
];

/// The source that is read if none is named.
const NEXMARK: &str = "nexmark";

/// What the help says first.
const HELP: &str = "Where records come from";

pub(super) fn help() -> String {
    form::help(&FORMS, HELP, NEXMARK)
}

pub(super) fn long_help() -> String {
    form::long_help(&FORMS, HELP, NEXMARK)
}

/// Parses the option.
pub(super) fn source(args: &RunArgs) -> Result<Arc<dyn Source>, UsageError> {
    let given = args.source.as_deref().unwrap_or(NEXMARK);
    form::parse(&FORMS, "--source", given, |parse, rest| parse(args, rest))
}

fn nexmark(args: &RunArgs, rest: &str) -> Parsed<dyn Source> {
    if !rest.is_empty() {
        return Ok(None);
    }
    refuse_follow(args)?;
    let (config, seed) = generator(&args.events)?;
    let skew = parse_some("--skew", args.skew.as_ref(), parse_share)?;
    Ok(Some(Arc::new(Nexmark { config, seed, skew })))
}

fn lines(args: &RunArgs, rest: &str) -> Parsed<dyn Source> {
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
