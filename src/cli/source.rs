//! `--source`: the source of the records.

use std::sync::Arc;

use super::args::{EventArgs, RunArgs};
use super::form::{self, Excluded, Form, Parsed};
use super::{UsageError, kafka, key_values};
use crate::nexmark::Config;
use crate::source::{Input, Nexmark, Source, path_of};

type Parse = fn(&RunArgs, &str) -> Parsed<dyn Source>;

/// All kinds of sources.
const FORMS: [Form<Parse>; 4] = [
    Form {
        prefix: NEXMARK,
        values: NEXMARK,
        help: "",
        excludes: &[Excluded::new("--follow", NO_FILE)],
        parse: nexmark,
    },
    Form {
        prefix: "lines:",
        values: "lines:PATH",
        help: "PATH is a file, or a glob such as 'logs/*.gz'. The files of a glob are read in byte order of \
               their paths, and their output lines begin with FILE:LINE. Files compressed with gzip or zstd, \
               whatever their names, are decompressed.",
        excludes: &[NO_NEXMARK, NO_SEED, NO_SKEW],
        parse: files,
    },
    Form {
        prefix: "lines:-",
        values: "lines:- (standard input)",
        help: "",
        excludes: &[
            NO_NEXMARK,
            NO_SEED,
            NO_SKEW,
            Excluded::new("--follow", NO_FILE),
            Excluded::new(
                "--state",
                "standard input cannot be read again: give a file with --source lines:PATH",
            ),
        ],
        parse: standard_input,
    },
    Form {
        prefix: "kafka:",
        values: "kafka://HOST:PORT/TOPIC",
        help: "Kafka needs a build with the feature `kafka`. A topic is read until Ctrl-C. Options follow the \
               topic after a ?, with & between them: from=latest skips what the topic holds already, \
               until=end stops at its present end, config=FILE names a file of librdkafka properties.",
        excludes: &[
            Excluded::new(
                "--events",
                "which messages come first differs from run to run; end the input with ?until=end or --duration",
            ),
            Excluded::new("--rate", NO_SCHEDULE).unless("max"),
            Excluded::new("--shape", NO_SCHEDULE),
            Excluded::new("--peak-rate", NO_SCHEDULE),
            Excluded::new("--period", NO_SCHEDULE),
            NO_NEXMARK,
            NO_SEED,
            NO_SKEW,
            Excluded::new(
                "--follow",
                "it is read until Ctrl-C without --follow, unless it has ?until=end",
            ),
        ],
        parse: kafka::source,
    },
];

// Why options are excluded.
const NO_FILE: &str = "only lines:PATH, a file that can grow, is followed";
const NO_SCHEDULE: &str = "messages are taken as they arrive";
const NO_GENERATOR: &str = "it is for --source nexmark";
const NO_NEXMARK: Excluded = Excluded::new("--nexmark", NO_GENERATOR);
const NO_SEED: Excluded = Excluded::new("--seed", NO_GENERATOR);
const NO_SKEW: Excluded = Excluded::new("--skew", NO_GENERATOR);

/// The source that is read if none is named.
pub(super) const NEXMARK: &str = "nexmark";

/// What the help says first.
const HELP: &str = "Where records come from";

pub(super) fn help() -> String {
    form::help(&FORMS, HELP)
}

pub(super) fn long_help() -> String {
    form::long_help(&FORMS, HELP)
}

/// Parses the option.
pub(super) fn source(args: &RunArgs) -> Result<Arc<dyn Source>, UsageError> {
    form::parse(&FORMS, "--source", &args.source, &args.given, |parse, rest| parse(args, rest))
}

/// Whether a value of `--source` excludes `option`.
pub(super) fn excludes(value: &str, option: &str) -> bool {
    form::excludes(&FORMS, value, option)
}

fn nexmark(args: &RunArgs, _: &str) -> Parsed<dyn Source> {
    let EventArgs { seed, nexmark, .. } = &args.events;
    let config = nexmark.clone().unwrap_or_default();
    let only_numbers = args.options.query.is_some();
    Ok(Arc::new(Nexmark { config, seed: *seed, skew: args.skew, only_numbers }))
}

fn files(args: &RunArgs, path: &str) -> Parsed<dyn Source> {
    Ok(Arc::new(Input::Files { path: path_of(path), follow: args.follow }))
}

fn standard_input(_: &RunArgs, _: &str) -> Parsed<dyn Source> {
    Ok(Arc::new(Input::Stdin))
}

/// Parses the value of `--nexmark`: the options of the generator.
pub(super) fn parse_nexmark(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    key_values::set_each(text, |key, value| config.set(key, value))?;
    Ok(config)
}
