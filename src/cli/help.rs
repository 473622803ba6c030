//! The part of a command's help below its options: examples, and the exit codes.

/// The exit codes, which are the same for all commands.
macro_rules! exit_codes {
    () => {
        concat!(
            "Exit codes:\n",
            "  0  Done, or stopped by Ctrl-C or SIGTERM with all results until then committed.\n",
            "  1  Failed while it ran. What was committed stays.\n",
            "  2  Cannot run as given: an option, its value, or a file, folder or address that it names is\n",
            "     wrong. Nothing was read or written.",
        )
    };
}

pub(super) const EXIT_CODES: &str = exit_codes!();

/// Joins the examples of a command and the exit codes.
macro_rules! help {
    ($($line:literal)*) => {
        concat!("Examples:\n", $("  ", $line, "\n",)* "\n", exit_codes!())
    };
}

/// What `--local-lambda` sets.
pub(super) const LOCAL_LAMBDA: &str =
    "How the local or simulated Lambda behaves, as KEY=VALUE[,KEY=VALUE...]";

/// Joins the keys of `--local-lambda` and what is particular to a command.
macro_rules! local_lambda {
    ($particular:literal) => {
        concat!(
            "How the local or simulated Lambda behaves, as KEY=VALUE[,KEY=VALUE...].\n\n",
            "network=20ms: time of a round trip. cold_start=150ms: time that a new environment takes to \
             start. idle=5m: time after which an idle environment ends. concurrency=100: environments that \
             may exist. reserved=50: how many of these only this function may use; not set by default. \
             requests=10: requests per second for each environment. ramp=1000: environments that may start \
             in 10 s. memory=1769: memory in MB. failure_rate=0.0: share of requests that fail. \
             throttle_rate=0.0: share of requests that are throttled. slow=1: factor on the times of the \
             network and the function. trouble=3s-6s: period in which failure_rate, throttle_rate and slow \
             apply, from the start; always by default. outage=3s-6s: period in which the service is down; \
             never by default. seed=1: selects the requests that fail.",
            $particular
        )
    };
}

pub(super) const LOCAL_LAMBDA_OF_RUN: &str = local_lambda!("");
pub(super) const LOCAL_LAMBDA_OF_LAMBDA: &str =
    local_lambda!("\n\nWith --function, cold starts are real: cold_start cannot be set.");
pub(super) const LOCAL_LAMBDA_OF_SIMULATE: &str = local_lambda!(
    "\n\nA record takes a function of 1,769 MB as long as it takes a worker. trouble cannot be used with \
     failure_rate or throttle_rate."
);

pub(super) const ALL: &str = help!(
    "floodway run                          # a demonstration of ten seconds, on this machine alone"
    "floodway compare                      # a demonstration of all policies, in about a minute"
    "floodway run --source lines:in.txt --out out/words"
    "floodway run --help                   # all options of a command"
);

pub(super) const RUN: &str = help!(
    "floodway run                          # a demonstration; it prints the command that it stands for"
    "floodway run --rate 100k --duration 20s --task bpe --policy deadline --out out/tokens"
    "floodway run --source lines:in.txt --out out/words --state out/words.state"
    "floodway run --rate 50k --events 1M --sink null -- -w 2"
    "floodway run --config floodway.toml --lambda arn:aws:lambda:eu-west-1:123456789012:function:words"
);

pub(super) const COMPARE: &str = help!(
    "floodway compare                      # a demonstration of about a minute"
    "floodway compare --policies local,deadline --work 14us --rate 28k --shape spike --peak-rate 100k \
     --period 30s"
    "floodway compare --source lines:in.txt --rate 50k --rounds 3 --report out/report -- -w 2"
);

pub(super) const EXPLAIN: &str = help!(
    "floodway explain --task bpe --rate 100k"
    "floodway explain --source lines:in.txt --duration 10s -- -w 2"
    "floodway explain --task bpe --rate 100k --policy deadline   # with the local Lambda"
);

pub(super) const GENERATE: &str = help!(
    "floodway generate --events 5"
    "floodway generate --events 100k --seed 7 --format json > events.jsonl"
);

pub(super) const SIMULATE: &str = help!(
    "floodway simulate --rate 100k --duration 1m --service 14us"
    "floodway simulate --shape trace:rates.csv --service 14us --policy deadline,spill --threshold 50k -- -w 4"
);

pub(super) const LAMBDA: &str = help!(
    "floodway lambda --bind 127.0.0.1:9000"
    "floodway lambda --function functions/rust --local-lambda concurrency=2"
    "floodway lambda --function prices     # a folder of: floodway init function prices --lang python"
);

pub(super) const INIT: &str = help!("floodway init function prices --lang python" "floodway init function prices --lang java");

pub(super) const CHECK: &str = help!(
    "floodway check --lambda http://127.0.0.1:9000/"
    "floodway check --lambda arn:aws:lambda:eu-west-1:123456789012:function:words --task bpe"
    "floodway check --task function:prices --twice --sample orders.txt"
);

pub(super) const COMPLETION: &str =
    help!("floodway completion bash > ~/.local/share/bash-completion/completions/floodway");
